"""What thousands of waiting edits cost one worker: CPU seconds of its process per second."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import asyncpg

from benchmarks.harness import Figure
from benchmarks.hosts.cluster import edits, hosts, ours, until
from benchmarks.hosts.naive import KEY, body
from omniedit.distributed.worker import enqueue
from omniedit.journal.postgres import PostgresJournal
from omniedit.models import Edit, Entry, Status
from omniedit.testing import BackgroundSandbox, Settings
from omniedit.testing.postgres import PostgresServer

__all__ = ["measure"]

WAITING = 5000
WATCHED = 60.0  # seconds
SETTLING = 20.0  # seconds after which what taking them up has cost is over
HELD = "SELECT count(*) FROM omniedit.state WHERE holder IS NOT NULL"
# Tasks of an hour, estimated as such: what waits is looked at rarely, as in a queue of the service that is long.
SLOW = Settings(editing="canned", task_seconds=3600.0, task_spread=0.0)


async def wait(server: PostgresServer) -> float:
    """Share of one core while 5,000 accepted tasks are waited for, as after a host that has died."""
    dsn = server.database()
    with tempfile.TemporaryDirectory() as folder, BackgroundSandbox(SLOW) as sandbox:
        await accept(dsn, sandbox.base_url)
        assert (await enqueue(dsn, edits(WAITING), base_url=sandbox.base_url)).queued == WAITING
        command = ours(dsn=dsn, base_url=sandbox.base_url, save_to=Path(folder), at_once=WAITING)
        connection = await asyncpg.connect(dsn)

        async def held() -> bool:
            return bool(await connection.fetchval(HELD) == WAITING)

        with hosts([command]) as made:
            await until(held, 300, every=1.0)
            await asyncio.sleep(SETTLING)
            used, began = cpu_of(made[0].process.pid), time.monotonic()
            await asyncio.sleep(WATCHED)
            share = (cpu_of(made[0].process.pid) - used) / (time.monotonic() - began)
        await connection.close()
        assert len(sandbox.accepted) == WAITING
        return share


async def accept(dsn: str, base_url: str) -> None:
    """Have all edits accepted, and write that down."""
    journal, some = PostgresJournal(dsn), asyncio.Semaphore(20)
    await journal.open(base_url)
    async with aiohttp.ClientSession(base_url, headers=KEY, raise_for_status=True) as session:

        async def one(number: int, edit: Edit) -> Entry:
            async with some, session.post("/v1/videos/generations", json=body(number)) as reply:
                task_id, now = (await reply.json())["id"], datetime.now(UTC)
            nonce, target = f"{number:032}", f"{number}.mp4"
            return Entry(
                edit, target, Status.processing, now, nonce=nonce, task_id=task_id, submitted_at=now, unfinished_at=now
            )

        entries = await asyncio.gather(*(one(number, edit) for number, edit in enumerate(edits(WAITING))))
    for begin in range(0, WAITING, 250):
        await journal.admit(entries[begin : begin + 250])
    await journal.close()


def cpu_of(number: int) -> float:
    """User and system seconds of a process (proc(5))."""
    fields = Path(f"/proc/{number}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure() -> list[Figure]:
    """One worker."""
    with PostgresServer() as server:
        share = asyncio.run(wait(server))
    return [Figure("5,000 waiting edits on one worker", share * 100, "% of a core", bar=10.0)]
