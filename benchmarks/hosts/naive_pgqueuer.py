"""PgQueuer with the job in its entrypoint: python -m benchmarks.hosts.naive_pgqueuer DSN BASE_URL FOLDER HEARTBEAT"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

import asyncpg
from pgqueuer import Job, PgQueuer, Queries
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver

from benchmarks.hosts.naive import edit

AT_ONCE = 8


async def enqueue(dsn: str, count: int) -> None:
    """Make the queue and fill it."""
    connection = await asyncpg.connect(dsn)
    queries = Queries(AsyncpgDriver(connection))
    await queries.install()
    await queries.enqueue(["edit"] * count, [str(number).encode() for number in range(count)], [0] * count)
    await connection.close()


async def left(dsn: str) -> int:
    """Jobs in the queue."""
    connection = await asyncpg.connect(dsn)
    count = await connection.fetchval("SELECT count(*) FROM pgqueuer")
    await connection.close()
    return int(count)


async def work(dsn: str, base_url: str, folder: str, heartbeat: str) -> None:
    """Take jobs until killed."""
    pgq = PgQueuer(AsyncpgDriver(await asyncpg.connect(dsn)))

    @pgq.entrypoint("edit")
    async def job(job: Job) -> None:
        await edit(base_url, folder, int(job.payload or b"0"))

    seconds = float(heartbeat)
    await pgq.run(
        dequeue_timeout=timedelta(seconds=seconds / 10),
        batch_size=4,
        max_concurrent_tasks=AT_ONCE,
        heartbeat_timeout=timedelta(seconds=seconds),
    )


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
