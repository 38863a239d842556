"""Grouped transitions per second on one PostgreSQL, made by this script on loopback.

    python benchmarks/distributed.py [EDITS] [WAITERS]

Prints JSON: transitions per second, this process's CPU per transition, and the same for one waiter alone, whose every
transition is a commit of its own.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Iterator

import attrs

from omniedit.journal.postgres import PostgresJournal
from omniedit.models import Edit, Entry, Status
from omniedit.testing.postgres import PostgresServer

ROAD = (Status.submitting, Status.pending, Status.processing, Status.completed, Status.downloading, Status.saved)


def cpu() -> float:
    """Seconds of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def entries(count: int, first: int = 0) -> list[Entry]:
    """New edits."""
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    edits = [Edit(f"https://example.com/clips/{number}.mp4", "Snow") for number in range(first, first + count)]
    return [Entry(edit, f"{first + number}.mp4", Status.queued, now) for number, edit in enumerate(edits)]


async def transitions(journal: PostgresJournal, made: list[Entry], waiters: int) -> dict[str, float]:
    """Take edits through their lives, with so many coroutines waiting at once."""
    for start in range(0, len(made), 256):
        await journal.admit(made[start : start + 256])
    moves: Iterator[Entry] = (
        attrs.evolve(entry, status=status, task_id=f"task-unified-{number}")
        for status in ROAD
        for number, entry in enumerate(made)
    )

    async def waiter() -> None:
        for entry in moves:
            await journal.write(entry)

    began, used, total = time.perf_counter(), cpu(), len(made) * len(ROAD)
    await asyncio.gather(*(waiter() for _ in range(waiters)))
    return {
        "waiters": waiters,
        "transitions": total,
        "per_second": round(total / (time.perf_counter() - began)),
        "cpu_us_each": round((cpu() - used) / total * 1e6, 1),
    }


async def main(dsn: str, edits: int, waiters: int) -> list[dict[str, float]]:
    """Grouped, and one by one."""
    journal = PostgresJournal(dsn)
    await journal.open("https://api.evolink.ai")
    grouped = await transitions(journal, entries(edits), waiters)
    alone = await transitions(journal, entries(max(edits // 50, 1), edits), 1)
    counts = (await journal.counts()).statuses
    assert counts == {Status.saved: edits + max(edits // 50, 1)}
    await journal.close()
    return [grouped, alone]


if __name__ == "__main__":
    wanted = [int(argument) for argument in sys.argv[1:]] or [10_000, 1_000]
    with PostgresServer() as server:
        print(json.dumps(asyncio.run(main(server.database(), *wanted)), indent=2))
