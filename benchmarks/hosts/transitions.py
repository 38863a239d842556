"""Grouped transitions per second on one PostgreSQL, from one process; and one waiter, a commit for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import attrs

from benchmarks.harness import Figure, cpu
from omniedit.journal.postgres import PostgresJournal
from omniedit.models import Edit, Entry, Status
from omniedit.testing.postgres import PostgresServer

ROAD = (Status.submitting, Status.pending, Status.processing, Status.completed, Status.downloading, Status.saved)


def entries(count: int, first: int = 0) -> list[Entry]:
    """New edits."""
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


async def both(dsn: str, edits: int, waiters: int) -> list[dict[str, float]]:
    """Grouped, and one by one."""
    journal = PostgresJournal(dsn)
    await journal.open("https://api.evolink.ai")
    grouped = await transitions(journal, entries(edits), waiters)
    alone = await transitions(journal, entries(max(edits // 50, 1), edits), 1)
    counts = (await journal.counts()).statuses
    assert counts == {Status.saved: edits + max(edits // 50, 1)}
    await journal.close()
    return [grouped, alone]


def measure(edits: int = 10_000, waiters: int = 1_000) -> list[Figure]:
    """On a server of our own, as it is configured by default."""
    with PostgresServer() as server:
        grouped, alone = asyncio.run(both(server.database(), edits, waiters))
    return [
        Figure(
            f"grouped transitions, {waiters:,} waiters", grouped["per_second"], "per second", bar=10_000, at_least=True
        ),
        Figure("grouped transitions: CPU of the worker", grouped["cpu_us_each"], "us each"),
        Figure("transitions of one waiter, a commit each", alone["per_second"], "per second"),
    ]
