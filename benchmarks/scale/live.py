"""`python -m benchmarks.live [--edits 100000]`: so many edits in flight in one process, from the first POST to the end.

The whole client is at work: intake, journal on disk, POSTs one by one, looks fifty at a time, ends. The server, in a
process of its own, lets no task end before all are in flight; then all wait for a while, which is measured, and end
within a minute. Its tasks fail in the end, so that no bandwidth is measured. Time runs twice as fast for the client:
looks come twice as often as they would.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.__main__ import store
from benchmarks.harness import ROOT, Figure, HurriedClock, cpu, serving
from benchmarks.speed.parked import accepted, drain, edit, resident, until
from omniedit import Client

HURRY = 2.0
FIRST_LOOKS = 350.0  # seconds after the last acceptance in which every edit has its first look: then looks are steady
WINDOW = 25.0  # seconds of waiting that are measured
SAMPLE = 0.05  # seconds between two readings of what is overdue
LONGEST = 2400.0  # seconds
Found = dict[str, float]


def main() -> None:
    """Run it whole, or the process that is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=100_000)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.url:
        print(json.dumps(asyncio.run(asyncio.wait_for(whole(options.url, options.edits), LONGEST))))
    else:
        store("live", measure(options.edits))


def measure(edits: int) -> list[Figure]:
    """One run."""
    with serving("--bulk", "--hold", str(edits)) as url:
        command = [sys.executable, "-m", "benchmarks.scale.live", "--edits", str(edits), "--url", url]
        found: Found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT).stdout)
    at = f"{edits:,} edits in flight:"
    return [
        Figure(f"{at} at once, in one process", found["live"], "edits", bar=edits, at_least=True),
        Figure(f"{at} submitted in a second, the ramp included", found["submits"], "edits/s"),
        Figure(f"{at} CPU until an edit is accepted and in the journal", found["submit_cpu"] * 1e6, "us"),
        Figure(f"{at} memory of the whole process", found["resident"] / 1e6, "MB"),
        Figure(f"{at} memory of one, all in", found["bytes"] / 1024, "KiB", bar=2.0),
        Figure(f"{at} share of one core while all wait", found["share"] * 100, "%"),
        Figure(f"{at} CPU of one task looked at", found["look_cpu"] * 1e6, "us", bar=25.0),
        Figure(f"{at} the most overdue look, 99 % of the readings", found["late"] * 1e3, "ms", bar=50.0),
        Figure(f"{at} full garbage collections while all wait", found["collections"], "in 25 s"),
        Figure(f"{at} what one full garbage collection takes", found["collection"] * 1e3, "ms"),
        Figure(f"{at} journal", found["journal"], "bytes/edit"),
        Figure(f"{at} CPU of an edit, from the input to its end", found["cpu"] * 1e6, "us"),
    ]


async def whole(url: str, count: int) -> Found:
    """Submit all, wait with all, end all."""
    found: Found = {}
    began, used = time.monotonic(), cpu()
    async with prepared(url) as (client, folder):
        gc.collect()
        before = resident()
        batch = client.batch(map(edit, range(count)), save_to=folder, journal=folder / "edits.db")
        watching = asyncio.ensure_future(drain(batch))
        await until(lambda: level(client) >= count)
        found |= {"submits": count / (time.monotonic() - began), "submit_cpu": (cpu() - used) / count}
        found["live"] = level(client)
        found |= await waiting(client)
        collecting = time.perf_counter()
        gc.collect()
        found["collection"] = time.perf_counter() - collecting
        found |= {"resident": resident(), "bytes": (resident() - before) / count}
        await watching
        assert (await batch).counts == {"failed": count}
        found["cpu"] = (cpu() - used) / count
        found["journal"] = sum(file.stat().st_size for file in folder.glob("edits.db")) / count
    return found


@asynccontextmanager
async def prepared(url: str) -> AsyncIterator[tuple[Client, Path]]:
    """A client whose time hurries, and a folder."""
    with tempfile.TemporaryDirectory() as folder:
        async with Client("sk-benchmark", base_url=url, preflight=False, clock=HurriedClock(HURRY)) as client:
            yield client, Path(folder)


def level(client: Client) -> int:
    """Tasks that are unfinished at the service."""
    statistics = client.statistics()
    return 0 if statistics is None else statistics.gate.submit.level


async def waiting(client: Client) -> Found:
    """What it costs when nothing ends: CPU, looks, and how long the most overdue edit has been due."""
    await asyncio.sleep(FIRST_LOOKS)
    due = client._engine._watcher._due  # type: ignore[union-attr]  # noqa: SLF001  # nobody else needs to know
    late: list[float] = []
    collections = gc.get_stats()[-1]["collections"]
    began, used, looks = time.monotonic(), cpu(), accepted(client)
    while time.monotonic() < began + WINDOW:
        await asyncio.sleep(SAMPLE)
        first = due.next_due()
        late.append(max(time.monotonic() - first / HURRY, 0.0) if first is not None else 0.0)
    spent, tasks = cpu() - used, (accepted(client) - looks) * 50
    late.sort()
    return {
        "collections": gc.get_stats()[-1]["collections"] - collections,
        "share": spent / (time.monotonic() - began),
        "look_cpu": spent / max(tasks, 1),
        "late": late[int(len(late) * 0.99)],
    }


if __name__ == "__main__":
    main()
