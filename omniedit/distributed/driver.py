"""PgQueuer on a connection that comes back: after a restart of the server it listens and works on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from pgqueuer.core.tm import TaskManager

from omniedit.journal.link import Link

if TYPE_CHECKING:
    from asyncpg import Connection, Record
    from pgqueuer.ports.driver import NotifyCallback

__all__ = ["LinkDriver"]


class LinkDriver:
    """A driver for `pgqueuer.PgQueuer(connection=...)` and `pgqueuer.Queries(driver=...)`.

    What PgQueuer asks may be asked twice when the server restarts in between; its statements bear that: a job picked
    twice is held by the journal, one finished twice is gone already.

    Args:
        dsn: of the database.
        patience: seconds that the server may be away before a query fails.
    """

    def __init__(self, dsn: str, *, patience: float) -> None:
        self._link = Link(dsn, patience=patience, greet=self._listen)
        self._callbacks: list[tuple[str, NotifyCallback]] = []
        self._shutdown = asyncio.Event()

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """Rows as dictionaries."""
        rows = await self._link.run(lambda connection: connection.fetch(query, *args))
        return [dict(row) for row in rows]

    async def execute(self, query: str, *args: object) -> str:
        """The server's word on it."""
        return await self._link.run(lambda connection: connection.execute(query, *args))

    async def notify(self, channel: str, payload: str) -> None:
        """Tell everybody who listens."""
        await self.execute("SELECT pg_notify($1, $2)", channel, payload)

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        """Listen, on this connection and on those that follow it."""
        await self._link.run(lambda connection: _listen(connection, channel, callback))
        self._callbacks.append((channel, callback))

    @property
    def shutdown(self) -> asyncio.Event:
        """Part of PgQueuer's protocol."""
        return self._shutdown

    @property
    def tm(self) -> TaskManager:
        """Part of PgQueuer's protocol."""
        return TaskManager()

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Whoever made the driver closes it: PgQueuer enters it more than once."""

    async def _listen(self, connection: Connection[Record]) -> None:
        for channel, callback in self._callbacks:
            await _listen(connection, channel, callback)


async def _listen(connection: Connection[Record], channel: str, callback: NotifyCallback) -> None:
    def heard(_connection: object, _pid: object, _channel: object, payload: object) -> None:
        callback(str(payload))

    await connection.add_listener(channel, heard)
