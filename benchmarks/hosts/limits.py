"""One limit for three hosts: a stated rate and each host's share of it, and a stated number of live tasks."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import ROOT, Figure
from benchmarks.hosts.cluster import edits, hosts, ours, statuses, until
from omniedit.distributed.limit import SharedLimit
from omniedit.distributed.worker import enqueue
from omniedit.journal.link import Link
from omniedit.journal.postgres import PostgresJournal
from omniedit.journal.specimens import ORIGIN
from omniedit.models import Status
from omniedit.testing import BackgroundSandbox, Settings
from omniedit.testing.postgres import PostgresServer

__all__ = ["measure"]

RATE, SECONDS, BURST = 50.0, 30.0, 10
CAP, EDITS = 50, 400


async def spend(dsn: str) -> None:
    """One host that sends as fast as it may, for a while; prints when it sent."""
    loop = asyncio.get_running_loop()
    journal = PostgresJournal(dsn)
    await journal.open(ORIGIN)
    limit = SharedLimit(Link(dsn, patience=5.0), "key", lambda: journal.holder, max_rate=RATE)
    until_, sent = loop.time() + SECONDS, list[float]()

    async def one() -> None:
        while loop.time() < until_:
            token = await limit.take()
            sent.append(loop.time())
            await asyncio.sleep(0.02)
            token.accepted()

    await asyncio.gather(*(one() for _ in range(12)))
    await limit.close()
    await journal.close()
    print(json.dumps(sent))


def jain(shares: Sequence[int]) -> float:
    """Fairness: 1 when all have the same, 1/n when one has all."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


async def rate(server: PostgresServer) -> list[Figure]:
    """Three processes; the clocks of their loops are one clock on one machine."""
    dsn = server.database()
    command = [sys.executable, "-m", "benchmarks.hosts.limits", dsn]
    made = [await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE) for _ in range(3)]
    sent = [json.loads((await process.communicate())[0]) for process in made]
    begin, end = max(min(times) for times in sent) + 1.0, min(max(times) for times in sent) - 1.0
    inside = [[moment for moment in times if begin <= moment <= end] for times in sent]
    moments = sorted(moment for times in inside for moment in times)
    reached = len(moments) / (end - begin)
    above = max(
        (last - first + 1) - (moments[last] - moments[first]) * RATE * 1.02
        for first in range(0, len(moments), 5)
        for last in range(first, len(moments))
    )
    told = "three hosts, 50 submits a second stated"
    return [
        Figure(f"{told}: reached together", reached, "per second"),
        Figure(f"{told}: most above the rate and 2 % in any span (burst 10)", above, "submits", bar=BURST),
        Figure(f"{told}: fairness (Jain)", jain([len(times) for times in inside]), "", bar=0.95, at_least=True),
    ]


async def cap(server: PostgresServer) -> list[Figure]:
    """Three workers; the service counts its unfinished tasks at every acceptance and every look."""
    dsn, most = server.database(), 0
    service = Settings(editing="canned", task_seconds=2.0)
    with tempfile.TemporaryDirectory() as folder, BackgroundSandbox(service) as sandbox:
        await enqueue(dsn, edits(EDITS), base_url=sandbox.base_url)
        options = {"dsn": dsn, "base_url": sandbox.base_url, "save_to": Path(folder), "max_in_flight": CAP}
        with hosts([ours(**options) for _ in range(3)]):

            async def done() -> bool:
                return (await statuses(dsn))[Status.saved] == EDITS

            seconds = await until(done, 400)
        most = most_at_once([(task.created, task.finished or task.ends) for task in sandbox.accepted])
        sources = Counter(task.source for task in sandbox.accepted)
    assert len(sources) == sum(sources.values()) == EDITS
    note = f"{EDITS} edits of 2 s in {seconds:.0f} s"
    return [Figure("three hosts, 50 live tasks stated: most at once at the service", most, "tasks", bar=CAP, note=note)]


def most_at_once(lives: Sequence[tuple[float, float]]) -> int:
    """The most lives that overlap; one that ends when another begins does not."""
    steps = sorted([(begin, 1) for begin, _ in lives] + [(end, -1) for _, end in lives])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def measure() -> list[Figure]:
    """Rate, fairness, cap."""
    with PostgresServer() as server:
        return [*asyncio.run(rate(server)), *asyncio.run(cap(server))]


if __name__ == "__main__":
    asyncio.run(spend(sys.argv[1]))
