"""The right to move edits of a shared journal: one row for each open journal, renewed as long as its process lives.

The database's clock alone decides who lives. Whoever has been silent for a lease may be declared dead by anybody: its
row goes, and with it, for good, its right to move edits; its number is the fencing token. A server that was away lets
everybody renew first: nobody is declared dead within one lease after its start.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from omniedit.errors import JournalError
from omniedit.journal.link import Link
from omniedit.journal.statements import queries

if TYPE_CHECKING:
    from asyncpg import Connection, Record

__all__ = ["Lease", "process_name"]

_RENEWALS = 5
"""A lease is renewed this often in its time, so that a few may fail."""
_GOODBYE = 5.0  # seconds that giving back may take; what was not given back lapses
_SQL = queries("postgres")
_log = logging.getLogger("omniedit")


def process_name() -> str:
    """Who we are, for people who look into the database."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Lease:
    """Renews itself on a connection of its own, so that it never waits behind a long write.

    Args:
        link: used by nobody else.
        name: of this process, for people.
        seconds: how long it may be silent.
    """

    def __init__(self, link: Link, name: str, seconds: float) -> None:
        self._link = link
        self._name = name
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None
        self.holder = 0
        self.lost = asyncio.Event()
        """Set once others have declared this holder dead; it never lives again."""

    async def take(self) -> None:
        """Become a holder.

        Raises:
            JournalError: the database cannot be used.
        """
        self.holder = await self._link.run(self._add)
        self._task = asyncio.get_running_loop().create_task(self._keep(), name="omniedit-lease")

    async def reap(self) -> Sequence[str]:
        """Declare dead whoever has been silent for a lease; their names. Their edits are free from then on."""
        return await self._link.run(self._reap)

    async def give_back(self) -> None:
        """Let go of all edits, and stop renewing. What cannot be told to the server lapses by itself."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        try:
            async with asyncio.timeout(_GOODBYE):
                await self._link.run(self._remove)
        except (JournalError, TimeoutError) as error:
            _log.warning(
                "%s: the edits of %s stay held until its lease is over (%s)", self._link.where, self._name, error
            )
        await self._link.close()

    async def _keep(self) -> None:
        while not self.lost.is_set():
            await asyncio.sleep(self._seconds / _RENEWALS)
            try:
                if await self._link.run(self._renew) is None:
                    self.lost.set()
            except JournalError as error:
                _log.warning("the lease could not be renewed: %s", error)

    async def _add(self, connection: Connection[Record]) -> int:
        return int(await connection.fetchval(_SQL["add_holder"], self._name, self._seconds))

    async def _renew(self, connection: Connection[Record]) -> int | None:
        found: int | None = await connection.fetchval(_SQL["renew_holder"], self.holder, self._seconds)
        return found

    async def _reap(self, connection: Connection[Record]) -> Sequence[str]:
        return [str(row["name"]) for row in await connection.fetch(_SQL["reap_holders"], self._seconds)]

    async def _remove(self, connection: Connection[Record]) -> None:
        async with connection.transaction():
            await connection.execute(_SQL["let_all_go"], self.holder)
            await connection.execute(_SQL["remove_holder"], self.holder)
