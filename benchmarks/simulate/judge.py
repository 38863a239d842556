"""What the runs say about the bars: the worst shape's mean over its seeds, named, beside the mean of all shapes."""

from __future__ import annotations

import json
import re
from statistics import mean

from benchmarks.harness import Figure
from benchmarks.simulate.runs import OURS

__all__ = ["Rows", "figures", "keep"]

Measures = dict[str, tuple[float, float, float]]
Rows = dict[str, dict[str, dict[str, Measures]]]  # kind, rule, shape; of each measure mean, lowest, highest


def figures(rows: Rows) -> list[Figure]:
    """One for each bar, for as many kinds of runs as there are."""
    ours = {kind: rules[OURS] for kind, rules in rows.items() if OURS in rules}
    found: list[Figure] = []
    for kind, name in (("steady", "tuned on"), ("held-out", "never met before")):
        found += _hour(ours[kind], f"shapes {name}") if kind in ours else []
    if "changing" in ours:
        found += _changing(ours["changing"])
    for kind in ("four processes", "eight processes", "four processes, told", "eight processes, told"):
        found += _shared(ours[kind], kind) if kind in ours else []
    return found + _promises(ours)


def _hour(shapes: dict[str, Measures], which: str) -> list[Figure]:
    everywhere = [measures["hour"][0] for measures in shapes.values()]
    refused = [measures["refused"][0] for measures in shapes.values()]
    return [
        _worst(f"one hour, {which}: share of the oracle", shapes, "hour", 0.96, at_least=True),
        Figure(f"one hour, {which}: share of the oracle, mean", mean(everywhere), ""),
        Figure(f"one hour, {which}: limits used to 0.96", sum(one >= 0.96 for one in everywhere), f"of {len(shapes)}"),
        _worst(f"one hour, {which}: refused", shapes, "refused", 0.02),
        Figure(f"one hour, {which}: refused, mean", mean(refused), ""),
        Figure(f"one hour, {which}: at most 0.02 refused", sum(one <= 0.02 for one in refused), f"of {len(shapes)}"),
        _worst(f"first ten minutes, {which}: share of the oracle", shapes, "cold", 0.85, at_least=True),
    ]


def _changing(shapes: dict[str, Measures]) -> list[Figure]:
    rates = {name: measures for name, measures in shapes.items() if not name.startswith("tasks")}
    caps = {name: measures for name, measures in shapes.items() if name.startswith("tasks")}
    found = [
        _worst("limit halved: seconds until within 10 %", shapes, "halved", 60, unit="s"),
        _worst("limit halved: refusals in the minute after", shapes, "refusals", 30, unit="requests"),
    ]
    for which, some in (("a rate", rates), ("a cap on tasks", caps)):
        for measure, when in (("doubled", "doubled"), ("doubled_again", "doubled again")):
            found.append(_worst(f"limit {when}, {which}: seconds until within 10 %", some, measure, 120, unit="s"))
    return found


def _shared(shapes: dict[str, Measures], kind: str) -> list[Figure]:
    quick = {name: measures for name, measures in shapes.items() if _quick(name)}
    slow = {name: measures for name, measures in shapes.items() if not _quick(name) and not name.startswith("tasks")}
    caps = {name: measures for name, measures in shapes.items() if name.startswith("tasks")}
    found: list[Figure] = []
    for which, some, bar in (("10/s", quick, 0.03), ("1 to 5/s", slow, 0.03), ("a cap on tasks", caps, 0.05)):
        found.append(_worst(f"{kind}, {which}: Jain's index", some, "jain", 0.95, at_least=True))
        found.append(_worst(f"{kind}, {which}: refused", some, "refused", bar))
    return found


def _quick(shape: str) -> bool:
    return "10/s" in shape or "600" in shape


def _promises(ours: dict[str, dict[str, Measures]]) -> list[Figure]:
    found: list[Figure] = []
    if "stated" in ours:
        found.append(_worst("stated limits: refused", ours["stated"], "refused", 0))
    if "loaded" in ours:
        found.append(_worst("at 80 % load: waiting, p99", ours["loaded"], "p99", 1.5, unit="s"))
    hours = ours.get("steady", {}) | ours.get("held-out", {})
    windows = {
        name: measures for name, measures in hours.items() if name.startswith("fw") and name.endswith(" headers")
    }
    if windows:
        found.append(_worst("fixed windows with headers: refused", windows, "refused", 0.001))
        found.append(_worst("requests before a Retry-After was over", hours, "undercut", 0, unit="requests"))
    return found


def _worst(
    name: str, shapes: dict[str, Measures], measure: str, bar: float, *, at_least: bool = False, unit: str = ""
) -> Figure:
    pick = min if at_least else max
    shape = pick(shapes, key=lambda shape: shapes[shape][measure][0])
    value, low, high = shapes[shape][measure]
    return Figure(name, value, unit, low=low, high=high, bar=bar, at_least=at_least, note=shape)


def keep(name: str, found: list[Figure], rows: object) -> None:
    """Store figures with the rows they come from; numbers that belong together stay on one line."""
    from benchmarks.__main__ import RESULTS, store  # the entry point knows all suites, this one too

    store(name, found)
    path = RESULTS / f"{name}.json"
    text = json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"rows": rows}, indent=2)
    path.write_text(re.sub(r"\[\s+([^][{}]*?)\s+\]", _one_line, text) + "\n", encoding="utf-8")


def _one_line(found: re.Match[str]) -> str:
    return "[" + ", ".join(part.strip() for part in found[1].split(",")) + "]"
