"""`python -m benchmarks.sizing`: what a machine holds, computed from the stored figures.

The measured costs come from benchmarks/results; what is assumed of clips, machines and the service stands here. A test
keeps the page and both together.
"""

from __future__ import annotations

import json
from math import ceil
from pathlib import Path

import attrs

__all__ = ["page", "write"]

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "sizing.md"

TASK = 80.0  # seconds from submit to result, as third parties report
CLIP = 4e6  # bytes of a result: ten seconds of 720p
CREDITS, PER_DOLLAR = 64.0, 68.0  # of ten seconds, at the public rates
BUSY = 0.7  # of a core, or of a line: beyond it, everything waits for everything
DAY = 86_400.0
GOAL = 1e8  # clips a day


@attrs.frozen
class Costs:
    """What was measured."""

    cpu: float  # seconds of a whole edit
    held: float  # bytes of one edit in flight
    base: float  # bytes of a process without any
    row: float  # bytes of one edit in the journal
    writes: float  # edits a second through one journal, all their writes
    look: float  # seconds of CPU to look at one task, in bulk


@attrs.frozen
class Machine:
    """What is assumed."""

    name: str
    cores: int
    memory: float  # bytes
    line: float  # bits a second


MACHINES = [
    Machine("a laptop", 4, 8e9, 100e6),
    Machine("a small server", 2, 4e9, 1e9),
    Machine("a large server", 32, 128e9, 25e9),
]


def write() -> None:
    """Make the page anew."""
    PAGE.write_text(page(RESULTS), encoding="utf-8")


def page(results: Path) -> str:
    """The whole page."""
    costs = _costs(results)
    rows = [["machine", "by CPU (edits/s)", "by its line (edits/s)", "a day", "in flight then", "memory", "processes"]]
    rows += [["---"] * len(rows[0]), *(_holds(machine, costs) for machine in MACHINES)]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return TEXT.format(table=table, **_words(costs))


def _costs(results: Path) -> Costs:
    def value(suite: str, name: str) -> float:
        stored = json.loads((results / f"{suite}.json").read_text(encoding="utf-8"))
        return next(float(one["value"]) for one in stored["figures"] if one["name"].endswith(name))

    held = value("live", "memory of one, all in") * 1024
    whole = value("live", "memory of the whole process") * 1e6
    return Costs(
        cpu=value("edits", "a whole edit: CPU") / 1e3,
        held=held,
        base=whole - held * value("live", "at once, in one process"),
        row=value("scale", "size"),
        writes=value("scale", "kills and restarts included"),
        look=value("live", "CPU of one task looked at") / 1e6,
    )


def _rate(machine: Machine, costs: Costs) -> tuple[float, float]:
    return machine.cores * BUSY / costs.cpu, machine.line * BUSY / 8 / CLIP


def _holds(machine: Machine, costs: Costs) -> list[str]:
    by_cpu, by_line = _rate(machine, costs)
    rate = min(by_cpu, by_line)
    processes = ceil(rate * costs.cpu / BUSY)
    memory = rate * TASK * costs.held + processes * costs.base
    said = f"{machine.name} ({machine.cores} cores, {machine.line / 1e9:g} Gbit/s)"
    numbers = [f"{by_cpu:,.0f}", f"{by_line:,.0f}", f"{rate * DAY / 1e6:,.1f} million", f"{rate * TASK:,.0f}"]
    return [said, *numbers, f"{memory / 1e6:,.0f} MB", str(processes)]


def _words(costs: Costs) -> dict[str, str]:
    rate = GOAL / DAY
    processes = ceil(rate * costs.cpu / BUSY)
    line = rate * CLIP * 8
    hosts = ceil(line / (MACHINES[-1].line * BUSY))
    return {
        "cpu": f"{costs.cpu * 1e3:.1f}",
        "held": f"{costs.held / 1024:.1f}",
        "base": f"{costs.base / 1e6:.0f}",
        "row": f"{costs.row:.0f}",
        "writes": f"{costs.writes:,.0f}",
        "look": f"{costs.look * 1e6:.0f}",
        "task": f"{TASK:.0f}",
        "clip": f"{CLIP / 1e6:.0f}",
        "busy": f"{BUSY * 100:.0f}",
        "per_process": f"{BUSY / costs.cpu:,.0f}",
        "in_one_gigabyte": f"{(1e9 - costs.base) / costs.held:,.0f}",
        "looks_share": f"{100_000 / 60 * costs.look * 100:.0f}",
        "million": f"{1e6 * costs.row / 1e6:,.0f}",
        "dollars": f"{CREDITS / PER_DOLLAR:.2f}",
        "rate": f"{rate:,.0f}",
        "flight": f"{rate * TASK:,.0f}",
        "flight_memory": f"{rate * TASK * costs.held / 1e6:,.0f}",
        "cores": f"{rate * costs.cpu:.1f}",
        "processes": str(processes),
        "line": f"{line / 1e9:.0f}",
        "hosts": str(hosts),
        "journals": f"{rate / costs.writes:.1f}",
        "rows": f"{GOAL * costs.row / 1e9:.0f}",
        "storage": f"{GOAL * CLIP / 1e12:,.0f}",
        "bill": f"{GOAL * CREDITS / PER_DOLLAR / 1e6:,.0f}",
        "draws": f"{rate / 10:,.0f}",
    }


TEXT = """\
# Sizing

<!-- made by `python -m benchmarks.sizing` from benchmarks/results/*.json: do not edit -->

How much one machine holds, where the limits are, and how it goes on beyond one machine. The costs are the measured ones
of [Performance](performance.md), from two busy cores; faster ones hold more. What is assumed: a task takes {task} s, a
result has {clip} MB, and nothing is planned above {busy} % of a core or of a line.

## What one edit costs

- **CPU: {cpu} ms** for a whole one: submit, looks, download, checksum, journal, syncs. One process keeps
  one core busy with its event loop, and hashes and writes in threads: count one process for each core, with
  **{per_process} edits a second**.
- **Memory: {held} KiB** while it is in flight, over {base} MB of a process with none:
  {in_one_gigabyte} edits fit into one gigabyte. The size of a clip does not matter, nor does the length of the input.
- **Looks: {look} us** a task where the service has the bulk call. A hundred thousand tasks looked at once a minute take
  {looks_share} % of a core.
- **Journal: {row} bytes**, so {million} MB for a million edits, and {writes} edits a second through one file
  with all that a life writes.
- **Sockets: about 140** at most in one process (64 for looks, 64 for paid requests, 8 downloads, a journal), however
  many edits are in flight. The usual limit of 1,024 open files is enough.

## What a machine holds

{table}

The smaller of the two rates counts. CPU is seldom it: a laptop's line is full long before its cores are. Results that
go straight to an object store cross the line twice, once in each direction.

## Where the limits are

1. **The service.** It publishes no limit; the client finds it and stays below. At the public rates ten seconds cost
   about {dollars} USD, so the budget (`max_credits`) usually ends a batch before any machine does.
2. **The line**, as above. `limit_rate` keeps some of it free. Downloads run earliest deadline first: links live a day,
   so a line that is too thin for an hour's results may take all night over them.
3. **The disk.** Room: {clip} MB a clip. Syncs: two for each file, and one for each group of journal writes. On a
   network file system a sync takes long: keep the journal on a local disk.
4. **CPU**, at {per_process} edits a second for each core.
5. **Memory**, last: it takes some hundred thousand edits in flight to fill a gigabyte.
6. **Pauses.** A full garbage collection of Python goes through all objects of the process, three of them for each
   edit in flight, and stops it meanwhile: a tenth of a second or more with 100,000 edits
   ([Performance](performance.md)). Waiting and looking bring none about; a batch that grows does, each time by a
   quarter. Nothing is lost by it, and looks may be late by so much. The library leaves the collector alone, as it is
   the application's: where such a pause matters to the rest of a program, `gc.freeze()` after its start keeps what
   was loaded out of collections, and a higher last number of `gc.set_threshold` makes full ones rarer.

## Many hosts: a hundred million clips a day, on paper

- {rate} clips a second. At {task} s a task that is {flight} tasks in flight: as many as one process was measured with
  ({flight_memory} MB).
- {cores} cores: **{processes} processes** at {busy} %.
- {line} Gbit/s of results: **{hosts} hosts** with 25 Gbit/s. Results go to an object store (`save_to="s3://..."`):
  it is {storage} TB a day.
- One SQLite journal takes {writes} edits a second: {journals} of them are needed, so either one journal for each
  process, which is simplest (the input split by key; nothing shared but the limit), or one PostgreSQL for all
  ([many hosts](many-hosts.md)), where any host goes on with what another left.
- Rows: {rows} GB a day. Begin a new journal for each day's batch, and archive the old one: nothing reads across them.
- The limit of one key is shared through one row in PostgreSQL, drawn by tens: {draws} updates a second, which any
  server does. With several keys, a batch for each key needs nothing shared at all.
- The service: {flight} unfinished tasks of one customer are a question for its sales department, and so is the bill:
  {bill} million USD a day at the public rates.

What was not measured: all of this at once. Measured are one process with a hundred thousand in flight (on
a machine shared with much else, where looks came late by up to half a minute), one journal with a million edits and two
kills, and a few hosts that are killed at random.
"""


if __name__ == "__main__":
    write()
