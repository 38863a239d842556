"""`python -m benchmarks.tables`: the performance page, made from what the suites have stored and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["page", "write"]

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
HEAD = """\
# Performance

<!-- made by `python -m benchmarks.tables` from benchmarks/results/*.json: do not edit -->

What omniedit costs, beside bare aiohttp, a raw asyncio protocol and the clients people use today. `nox -s bench`
measures again.

Contestants run in processes of their own and take turns in small portions, on loopback, against a server in yet another
process that answers from memory. Each value is the median of the turns' ratios (or values), with the quartiles of the
ratios, or the lowest and highest value, in brackets. CPU is user and system time of the client's process alone. Ratios
carry over to other machines; seconds do not. *Before* is the run that was stored before this one.
"""
TITLES = {
    "polls": "Looking at a task",
    "replies": "A lost answer",
    "edits": "A whole edit",
    "parked": "Edits that wait",
    "startup": "Starting",
    "scale": "A long journal, interrupted",
}


def write() -> None:
    """Make the page anew."""
    PAGE.write_text(page(RESULTS), encoding="utf-8")


def page(results: Path) -> str:
    """The whole page."""
    stored = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*.json"))}
    suites = [name for name in TITLES if name in stored]
    others = [name for name in stored if name not in TITLES]
    parts = [HEAD, *(_suite(TITLES[name], stored[name]) for name in suites)]
    parts += [_plain(name.capitalize(), stored[name]) for name in others]
    return "\n".join(parts)


def _suite(title: str, stored: dict[str, Any]) -> str:
    """Figures with bars."""
    machine = ", ".join(f"{name} {value}" for name, value in stored["machine"].items())
    rows = [_row(figure, stored["previous"].get(figure["name"])) for figure in stored["figures"]]
    return _section(title, f"Measured with {machine}.", ["what", "value", "bar", "met", "before"], rows)


def _row(figure: dict[str, Any], before: float | None) -> list[str]:
    spread = "" if figure["low"] is None else f" ({_number(figure['low'])} to {_number(figure['high'])})"
    sign = "at least" if figure["at_least"] else "at most"
    bar = "" if figure["bar"] is None else f"{sign} {_number(figure['bar'])}"
    met = {True: "yes", False: "**no**", None: ""}[figure["met"]]
    value = f"{_number(figure['value'])} {figure['unit']}{spread}"
    return [figure["name"], value, bar, met, "" if before is None else _number(before)]


def _plain(title: str, stored: dict[str, Any]) -> str:
    """A benchmark that keeps its figures in a shape of its own: one row for each number."""
    rows = [[" / ".join(path), value] for path, value in _leaves(stored, ())]
    return _section(title, "", ["what", "value"], rows)


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:  # noqa: ANN401  # JSON
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, str(name).replace("_", " ")))
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            yield from _leaves(inner, (*path, str(number)))
    else:
        yield path, _number(value) if isinstance(value, float) else str(value)


def _section(title: str, text: str, names: list[str], rows: list[list[str]]) -> str:
    lines = [f"## {title}", "", *([text, ""] if text else [])]
    lines += [_line(names), _line(["---"] * len(names)), *map(_line, rows), ""]
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _number(value: float) -> str:
    """Three digits that matter."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


if __name__ == "__main__":
    write()
