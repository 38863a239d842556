"""`python -m benchmarks.tables`: the performance page, made from what the suites have stored and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.forms import figures_of, matrices_of

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
    "edits": "A whole edit",
    "parked": "Edits that wait",
    "live": "A hundred thousand at once",
    "scale": "A million through one journal",
    "startup": "Starting",
    "clients": "Importing",
    "replies": "A lost answer",
    "weather": "Killed at random moments",
    "governor": "Finding the limit",
    "polling": "When to look",
    "callbacks": "Callbacks",
    "gate": "The gate",
    "real_limits": "The gate over HTTP, against every kind of limit",
    "journal": "The journal",
    "download": "Downloads",
    "deadlines": "Links that die",
    "preflight": "Looking at a clip",
    "report": "The report",
    "distributed": "Many hosts",
}
# Why a bar is missed, shown as long as it is: suite, a part of the name, reason.
REASONS = [
    ("journal", "the same in median syncs of the disk beside it", """the disk is shared, and one in a hundred of its
     syncs takes as long as ten others. Whatever waits for it meets that: the same stream onto a bare file, 4 KiB and a
     sync for each group and nothing else, takes as long (the row below). Where a sync takes 1 ms and nothing else
     writes (further below), and the machine is almost alone, 3.8 median syncs were seen."""),
    ("journal", "sync of 1 ms, 1,000 a second: until durable", """two cores that others shared: one in a hundred of the
     bare syncs of 1 ms took 4.6 ms there. With the machine almost alone 3.8 and 3.9 ms were seen."""),
    ("polls", "50 at once: how many times cheaper than", """bare aiohttp, on which omniedit stands, is 8 to 12 times
     cheaper than these at fifty at once (rows below); at five hundred all are met."""),
    ("polls", "the same, with the `fast` extra", """between two runs the ratio moves by more than it misses."""),
    ("edits", "beside a bare aiohttp loop", """the same promises kept by hand, with nothing else, cost 1.9 to 2.5
     times the bare loop (rows below), so that 1.5 cannot be had with them. Half of an edit is spent in threads, for
     what the bare loop does not do: sha256, two syncs, a partial file, SQLite, and waking each thread."""),
    ("parked", "CPU of a wake-up", """with warm caches it is 9 us; the rest is the first work after each sleep, and
     fifty ticks of the timer a second. The same run has what a sleep for each edit costs."""),
    ("live", "CPU of one task looked at", """a whole look is in it: the request for fifty tasks, decoding, judgement and
     the next place in the queue, not only the wake-up."""),
    ("governor", "share of the oracle", """travelling times differ by more than the bucket of four to six holds. An
     even pace that knows the limit reaches 0.86 of 15/s, 0.85 of 8/s, 0.93 of 12/s and 0.92 of 10/s with 2 % refused;
     omniedit, which does not, 0.82, 0.80, 0.90 and 0.87 with 1.5 %. One more misses 0.96 among the limits tuned on: a
     `Retry-After` that is three times too long is kept all the same (0.91; one who meets that limit once, by the same
     ramp, and knows it from then on would reach 0.98, and 0.90 in the first ten minutes), and one among those never met
     before, a window of twelve seconds (0.952). In the first ten minutes, these and four requests at once of two
     seconds each (0.84) miss 0.85."""),
    ("governor", "shapes tuned on: refused", """four limits of 90, by 0.3 points at most. A window of an hour is shut
     for half of it, and is asked four times an hour whether it has opened. A cap of five lets some 185 requests an
     hour through, of which 2 % are less than four, and four are refused until it is told from a limit on the rate. Of
     the 720 requests an hour that one in five seconds lets through, 2 % are fourteen; seventeen are refused, two of
     them for the larger steps of a newcomer, by which processes that share a slow limit come closer."""),
    ("governor", "1 to 5/s", """where there is less than about a request a second for each, chance has its say: four
     processes come to 0.93 at 1/s, 0.83 at 2/s, 0.86 at 3/s and 0.99 at 5/s, eight to 0.85, 0.81, 0.73 and 0.77.
     Processes that do not know of each other learn from their own refusals alone, which are minutes apart. A rule whose
     cuts last, and that grows by the same step a second for all, makes equals of them, but leaves a tenth of the limit
     unused where one is alone, and takes minutes to find that it has doubled: so it has to be asked for with
     `shared_key`. Those *told* with it come to 0.96 and more (four) and 0.94 (eight), at fewer refusals but for eight
     at 1/s."""),
    ("governor", "told, 10/s", """sliding windows let one process keep what it has in a few of thirty runs; here all do
     better without `shared_key`."""),
    ("governor", "a cap on tasks: refused", """of its own few tasks no process can tell that all together are capped.
     Most settle on a rate, and probe it; told of others, they probe more. The rule made for company (on the governor's
     page) refuses 6 and 13 %."""),
    ("real_limits", "four processes: refused", """one run of ten minutes of the service's time, most of which four
     newcomers spend on coming down from their ramps; 0.041 and 0.045 in the runs before."""),
]  # fmt: skip


def write() -> None:
    """Make the page anew."""
    PAGE.write_text(page(RESULTS), encoding="utf-8")


def page(results: Path) -> str:
    """The whole page."""
    stored = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*.json"))}
    order = [*(name for name in TITLES if name in stored), *(name for name in stored if name not in TITLES)]
    return "\n".join([HEAD, *(_section(TITLES.get(name, name.capitalize()), name, stored[name]) for name in order)])


def _section(title: str, name: str, stored: dict[str, Any]) -> str:
    """Figures with bars, then tables of contestants; a shape that nobody has described is shown number by number."""
    figures = stored.get("figures") or figures_of(name, stored)
    matrices = matrices_of(name, stored)
    lines = [f"## {title}", "", *_machine(stored.get("machine", {}))]
    if figures:
        before = stored.get("previous", {})
        rows = [_row(figure, before.get(figure["name"])) for figure in figures]
        lines += _table(["what", "value", "bar", "met", "before"], rows) + _reasons(name, figures)
    for matrix in matrices:
        lines += [matrix.title, "", *_table(matrix.names, matrix.rows)]
    if not figures and not matrices:
        lines += _table(["what", "value"], [[" / ".join(path), value] for path, value in _leaves(stored, ())])
    return "\n".join(lines)


def _reasons(suite: str, figures: list[dict[str, Any]]) -> list[str]:
    """Of what is missed now, and once for all figures that share one."""
    missed = [figure["name"] for figure in figures if figure["met"] is False]
    found = [(part, why) for of, part, why in REASONS if of == suite and any(part in name for name in missed)]
    return [line for part, why in found for line in (f"*{part[0].upper()}{part[1:]}:* {' '.join(why.split())}", "")]


def _machine(machine: dict[str, Any]) -> list[str]:
    said = ", ".join(
        f"{name} {_number(value) if isinstance(value, float) else value}" for name, value in machine.items()
    )
    return [f"Measured with {said}.", ""] if said else []


def _row(figure: dict[str, Any], before: float | None) -> list[str]:
    spread = "" if figure["low"] is None else f" ({_number(figure['low'])} to {_number(figure['high'])})"
    sign = "at least" if figure["at_least"] else "at most"
    bar = "" if figure["bar"] is None else f"{sign} {_number(figure['bar'])}"
    met = {True: "yes", False: "**no**", None: ""}[figure["met"]]
    value = f"{_number(figure['value'])} {figure['unit']}{spread}"
    name = f"{figure['name']} ({figure['note']})" if figure["note"] else figure["name"]
    return [name, value, bar, met, "" if before is None else _number(before)]


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:  # noqa: ANN401  # JSON
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, str(name).replace("_", " ")))
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            yield from _leaves(inner, (*path, str(number)))
    else:
        yield path, _number(value) if isinstance(value, float) else str(value)


def _table(names: list[str], rows: list[list[str]]) -> list[str]:
    return [_line(names), _line(["---"] * len(names)), *map(_line, rows), ""]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _number(value: float) -> str:
    """Three digits that matter."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


if __name__ == "__main__":
    write()
