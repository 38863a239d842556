"""Writes `docs/governor.md`, its tables from what the simulation has stored: `python docs/governor_page.py`.

A test keeps the page in step with benchmarks/results.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE / "governor.md"
RESULTS = HERE.parent / "benchmarks" / "results"
OURS = "omniedit"

REGIMES = [
    (
        "`ramp`",
        "until the first refusal",
        "2 requests a second, half a stated rate, or what submits achieved; an eighth more for each that had to wait",
    ),
    (
        "`rate`",
        "refusals come at any number of live tasks",
        "follows what was accepted in the last minute, probes a little above it, backs off by 2 to 25 % once a block",
    ),
    (
        "`shared`",
        "the same, where it was said that others use the key",
        "a quarter off at a refusal, for good; growth by the same number of requests a second for all",
    ),
    (
        "`cap on tasks`, `cap on requests`",
        "refusals come at one level, and hardly anything is accepted above it",
        "keeps that many live, tries one more now and then",
    ),
    (
        "`window`",
        "`RateLimit` headers name a window whose end stands still",
        "spreads what is left over the time that is left",
    ),
]
HEAD = """\
# How fast: the governor

Nobody publishes how many requests a minute the service takes, how many tasks may be unfinished, or how many requests
may be open at once. Sending as many as one can and trying again after each 429 works, but half of the requests and more
are then refused, and some services answer that with longer blocks. omniedit finds the limit instead. Each key has one
gate in a process, with a lane for submits, one for looks at tasks and one for uploads; each lane has a governor
(`omniedit.core.governor`), which is told what leaves and what comes back, and says when the next request may leave.

## Its regimes

{regimes}
Whatever the regime: a `Retry-After` holds everybody in the lane for its whole length, plus up to 2 % so that not all
come back together. Without one, pauses begin with a single interval and triple from three seconds (ninefold while a
dozen requests at most have been taken: that may be a cap on few tasks); one request at a time asks whether the limit
has opened, unless refusals turn out to be chance. Refusals of requests that had left before the last reaction count
once. Blocks that end at the same instant of the minute three times are waited for.

When to look at a task is another question, answered at the end of this page.

## Say what you know

What is stated is kept, and nothing is tried beyond it:

```python
import omniedit

client = omniedit.Client(max_rate=5.0, max_in_flight=40)  # submits a second; unfinished tasks
```

State `max_rate` when you know your plan's limit, or share the key with programs that are not omniedit. State
`max_in_flight` when your plan caps unfinished tasks: small caps are the costliest to find, as finding one takes four
or five refusals. Both are upper bounds; the governor still slows down when it is refused below them.

Say `shared_key=True` (`batch --shared-key`) in each of several processes that use one key and do not know of each
other, when there is likely to be less than about a request a second for each. They then come to nearly equal shares,
at about the same cost in refusals; where there is more, they do so without it. A process that is alone leaves a tenth
of a limit unused for it (a fifth of a sliding window), and finds a limit that doubled later.

`client.statistics().gate` shows for each lane the regime, the rates allowed and achieved (requests a second), the
level (unfinished tasks), requests in flight, what is left of a pause (seconds), what was granted, accepted and refused,
the share refused, and how many wait. Beside it stand the looks made, the tasks seen to end and the lag.

## What it cannot know

- A limit it has not met. The first refusals are the price of finding it; a cap on few tasks is used up by them.
- Whether others use the key. Processes that do not know of each other share a limit fairly when it is more than a
  request a second for each; below that, chance has its say in who gets how much. To come to equal shares there within
  half an hour, each has to give much away at each of its few refusals, and one that is alone leaves that unused: hence
  `shared_key`. One process per key, or one shared limit ([many hosts](many-hosts.md)), is better still.
- That a cap on few tasks has doubled. Each try that fails is a refusal, and is paid for by 65 acceptances before
  the next; with twenty tasks live that is minutes. After a cap was lowered tries cost half for a while, and once one
  succeeds it climbs at once.
- How unevenly its own network carries requests. Where their travelling times differ by more than the service's bucket
  holds, even a perfect pace is refused now and then. Once requests that left after a refused one are seen to be
  accepted, such refusals by chance hold nobody back; but some 1.5 % of the requests are then refused.
- That a `Retry-After` is too long. It is kept: a service that always asks for three times as long gets three times as
  long, and you up to a tenth less.
"""
HOUR = {"hour": "share of the oracle", "refused": "refused", "cold": "cold"}
SHARES = {"jain": "Jain's index", "refused": "refused", "total": "share of the oracle"}
KINDS = {
    "steady": (
        "One process, one hour",
        """Limits that the rules were tuned on or looked at; shares are of an oracle that knows them; *cold*: the first
ten minutes. Limits of more than 10,000 requests an hour run for twenty minutes, in which learning weighs three times as
much, if nineteen in twenty of the oracle's requests get through in so short a time already.""",
        HOUR,
    ),
    "held-out": (
        "Limits never met before",
        "Nothing was chosen by what these showed.",
        HOUR,
    ),
    "changing": (
        "Limits that change",
        """Halved after about 15 minutes, doubled after 30 and again after 45 (give or take 2.5, by seed): seconds until
90 % of the new limit is used and at most a tenth of the requests is refused.""",
        {
            "refusals": "refusals in the minute after halving",
            "halved": "halved, s",
            "doubled": "doubled, s",
            "doubled_again": "doubled again, s",
            "refused": "refused",
        },
    ),
    "four processes": (
        "Four processes on one key",
        "Started a minute apart; Jain's index of what each got in the second half hour.",
        SHARES,
    ),
    "eight processes": (
        "Eight processes on one key",
        "Started together.",
        SHARES,
    ),
    "four processes, told": (
        "Four processes that were told of each other",
        "The same with `shared_key`.",
        SHARES,
    ),
    "eight processes, told": (
        "Eight processes that were told of each other",
        "The same with `shared_key`.",
        SHARES,
    ),
    "alone, told": (
        "One process that was told of others, and is alone",
        "What `shared_key` costs where it is not true.",
        HOUR,
    ),
    "stated": ("Stated limits", "", {"hour": "share of the oracle", "refused": "refused"}),
    "loaded": ("Work at 80 % of the limit, arriving by chance", "", {"p99": "waiting p99, s", "refused": "refused"}),
}
EVENLY = "knows the limit and leaves evenly, as fast as may be with 2 % refused"
TOGETHER = ("four processes", "eight processes")
COMPANY = "is made for company: gives a third away at each refusal, and grows by the same for all"
# Who has what our own rules do not, by shape; on each slow network it is one who leaves evenly.
POSSIBLE = {
    "fw 300 RA long": "meets the limit once, waits three times as long as needed, and knows it from then on",
    "tasks 40": "spends 2 % of all requests on trying one more, and fills new room at once",
}
RESULTS_HEAD = """
## Figures

From a simulation in virtual time that drives the real `omniedit.core` (`python -m benchmarks.simulate`): means over
{seeds}.
In the names, *tb* is a token bucket, *fw* a fixed window and *sl* a sliding window of a minute, *counter* a weighed
window; *RA* says that refusals carry `Retry-After` (*short*: always one second; *long*: three times too long),
*headers* that replies carry `RateLimit` fields. Bars, and what misses them, are on the
[performance page](performance.md).
"""
PEERS = """
## Beside other rules

In the same world, one to three seeds of an hour: share of the oracle / share of requests refused; omniedit as above.
Each follows its published rule, puts refused requests back at the head of the line and waits out `Retry-After`. A fixed
rate was told what the others had to find; it makes no sense for a cap.
"""
POLLING = """
## When to look

A task is looked at when it is likely to be done: at the 2.5 % quantile of a belief about durations that learns from
every task, sharpened by each progress reading, and from then on every five seconds (`omniedit.core.polling`). Lag is
the time from the end of a task to the look that sees it. Fifty tasks in flight, from cold, 2,000 tasks a run; 30 seeds
for the service that the rules were made for, fewer for the others.
"""


def page(results: Path = RESULTS) -> str:
    """The whole page."""
    governor, polling = _rows(results, "governor"), _rows(results, "polling")
    regimes = _table(["regime", "when", "what it does"], [list(regime) for regime in REGIMES])
    parts = [HEAD.format(regimes=regimes), RESULTS_HEAD.format(seeds=_seeds(governor))]
    for kind, (title, text, names) in KINDS.items():
        if kind in governor:
            parts.append(f"\n### {title}\n\n" + (f"{text}\n\n" if text else "") + _shapes(governor[kind][OURS], names))
            parts += _possible(kind, governor[kind].get("possible", {}), names)
    if "steady" in governor:
        parts += [PEERS, "\n" + _peers(governor["steady"])]
    if polling:
        parts += [POLLING, "\n" + _plain("service", polling["services"]), "\n" + _plain("rule", polling["rules"])]
    return "".join(parts)


def _rows(results: Path, name: str) -> dict[str, Any]:
    path = results / f"{name}.json"
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return found


def _shapes(shapes: dict[str, dict[str, list[float]]], names: dict[str, str]) -> str:
    rows = [[shape, *(_said(name, measures[name][0]) for name in names)] for shape, measures in shapes.items()]
    return _table(["limit", *names.values()], rows)


def _seeds(kinds: dict[str, Any]) -> str:
    """Over how many runs of a shape the means are taken."""
    counts = sorted({measures["seeds"] for rules in kinds.values() for measures in rules[OURS].values()})
    few = f" ({counts[0]} to {counts[-2]} for limits of more than 10,000 requests an hour)" if counts[1:] else ""
    return f"{counts[-1] if counts else 0} seeds{few}"


def _who(kind: str, shape: str) -> str:
    if kind in TOGETHER:
        return COMPANY
    return EVENLY if shape.endswith("slow network") else POSSIBLE[shape]


def _possible(kind: str, shapes: dict[str, dict[str, list[float]]], names: dict[str, str]) -> list[str]:
    """What stands in the way of more: who has that, and how much of the rest."""
    names = names | {"alone": "share of the oracle when alone"}
    return [
        f"\nTo compare, on *{shape}*, one who {_who(kind, shape)}: "
        + ", ".join(f"{names[name]} {_said(name, measures[name][0])}" for name in names if name in measures)
        + ".\n"
        for shape, measures in shapes.items()
    ]


def _peers(rules: dict[str, dict[str, dict[str, list[float]]]]) -> str:
    rules = {rule: found for rule, found in rules.items() if rule != "possible"}
    shapes = list(next(found for rule, found in rules.items() if rule != OURS))
    rows = [[shape, *(_both(found[shape]) if shape in found else "" for found in rules.values())] for shape in shapes]
    return _table(["limit", *rules], rows)


def _both(measures: dict[str, list[float]]) -> str:
    return f"{measures['hour'][0]:.2f} / {_said('refused', measures['refused'][0])}"


def _plain(what: str, rows: dict[str, dict[str, float]]) -> str:
    names = {"looks": "looks per task", "lag": "mean lag, s", "p99": "p99 lag, s", "product": "looks x lag"}
    return _table([what, *names.values()], [[row, *(f"{rows[row][name]:.1f}" for name in names)] for row in rows])


def _said(name: str, value: float) -> str:
    if name == "refused":
        return f"{100 * value:.1f} %"
    return f"{value:.0f}" if name in {"refusals", "halved", "doubled", "doubled_again"} else f"{value:.2f}"


def _table(names: list[str], rows: list[list[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
