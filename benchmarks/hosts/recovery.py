"""How soon others finish what a dead host held: from its SIGKILL to the last of its edits saved."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import asyncpg

from benchmarks.harness import Figure
from benchmarks.hosts.cluster import edits, hosts, ours, statuses, until
from omniedit.distributed.worker import enqueue
from omniedit.models import Status
from omniedit.testing import BackgroundSandbox, Settings
from omniedit.testing.postgres import PostgresServer

__all__ = ["measure"]

LONG = Settings(editing="canned", task_seconds=600.0, task_spread=0.0)
EDITS = 20
HELD = """
    SELECT count(*) FROM omniedit.state JOIN omniedit.holder ON holder.id = state.holder WHERE name LIKE $1
"""


async def recover(server: PostgresServer, **options: object) -> float:
    """Seconds from the death of the host that holds all edits until another host holds all of them."""
    dsn = server.database()
    with tempfile.TemporaryDirectory() as folder, BackgroundSandbox(LONG) as sandbox:
        await enqueue(dsn, edits(EDITS), base_url=sandbox.base_url)
        command = ours(dsn=dsn, base_url=sandbox.base_url, save_to=Path(folder), **options)
        connection = await asyncpg.connect(dsn)

        async def accepted() -> bool:
            counts = await statuses(dsn)
            return counts[Status.pending] + counts[Status.processing] == EDITS

        async def holds(number: int) -> bool:
            return bool(await connection.fetchval(HELD, f"%:{number}") == EDITS)

        with hosts([command]) as first:
            await until(accepted, 120)
            with hosts([command]) as second:
                other = second[0].process.pid
                await until(lambda: _at_work(connection, other), 60)
                first[0].kill()
                seconds = await until(lambda: holds(other), 120, every=0.05)
        await connection.close()
        assert len(sandbox.accepted) == EDITS
        return seconds


async def _at_work(connection: asyncpg.Connection[asyncpg.Record], number: int) -> bool:
    return bool(await connection.fetchval("SELECT count(*) FROM omniedit.holder WHERE name LIKE $1", f"%:{number}"))


def measure(rounds: int) -> list[Figure]:
    """At default settings, and with a heartbeat of 6 s."""
    figures = []
    with PostgresServer() as server:
        for heartbeat, bar in ((None, 25.0), (6.0, 6.0)):
            chosen: dict[str, object] = {} if heartbeat is None else {"heartbeat": heartbeat}
            found = [asyncio.run(recover(server, **chosen)) for _ in range(rounds)]
            name = "default heartbeat (20 s)" if heartbeat is None else f"heartbeat of {heartbeat:.0f} s"
            figures.append(
                Figure(f"a dead host's edits are another's, {name}", max(found), "s", min(found), max(found), bar)
            )
    return figures
