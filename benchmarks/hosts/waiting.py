"""What thousands of waiting edits cost one worker: CPU seconds of its process per second."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Figure
from benchmarks.hosts.cluster import edits, hosts, ours, statuses, until
from omniedit.distributed.worker import enqueue
from omniedit.models import Status
from omniedit.testing import BackgroundSandbox, Settings
from omniedit.testing.postgres import PostgresServer

__all__ = ["measure"]

WAITING = 5000
WATCHED = 60.0  # seconds
# Tasks of an hour, estimated as such: what waits is looked at rarely, as in a queue of the service that is long.
SLOW = Settings(editing="canned", task_seconds=3600.0, task_spread=0.0)


async def wait(server: PostgresServer) -> float:
    """Share of one core while 5,000 accepted tasks are waited for."""
    dsn = server.database()
    with tempfile.TemporaryDirectory() as folder, BackgroundSandbox(SLOW) as sandbox:
        await enqueue(dsn, edits(WAITING), base_url=sandbox.base_url)
        command = ours(dsn=dsn, base_url=sandbox.base_url, save_to=Path(folder), at_once=WAITING, max_in_flight=WAITING)
        with hosts([command]) as made:

            async def accepted() -> bool:
                counts = await statuses(dsn)
                return counts[Status.pending] + counts[Status.processing] >= WAITING

            await until(accepted, 420, every=1.0)
            await asyncio.sleep(10.0)
            used, began = cpu_of(made[0].process.pid), time.monotonic()
            await asyncio.sleep(WATCHED)
            return (cpu_of(made[0].process.pid) - used) / (time.monotonic() - began)


def cpu_of(number: int) -> float:
    """User and system seconds of a process (proc(5))."""
    fields = Path(f"/proc/{number}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure() -> list[Figure]:
    """One worker."""
    with PostgresServer() as server:
        share = asyncio.run(wait(server))
    return [Figure("5,000 waiting edits on one worker", share * 100, "% of a core", bar=10.0)]
