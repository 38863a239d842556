"""The journal that many hosts share: one PostgreSQL database, written in groups.

Each open journal is a holder with a lease. An edit is moved only by its holder; admitting, claiming or moving one that
nobody holds makes it ours, and one that ends is nobody's. The answer to a paid request is booked whoever gives it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, cast

import attrs

from omniedit.journal.base import Counts, EditHeld, NameTaken
from omniedit.journal.columns import attempt_of, entry_of, text, untext
from omniedit.journal.groups import Groups
from omniedit.journal.lease import Lease, process_name
from omniedit.journal.link import Link, check_driver, shown
from omniedit.journal.paging import Page, in_order
from omniedit.journal.relations import Admission, Asked, Claim, LetGo, Move, Upload, perform
from omniedit.journal.rules import already_open, not_open
from omniedit.journal.schema import check_readable, prepare
from omniedit.journal.statements import queries
from omniedit.models import Answer, Attempt, Entry, Hosted, Status

if TYPE_CHECKING:
    from asyncpg import Connection, Record

    from omniedit.journal.groups import Call

__all__ = ["LEASE", "PATIENCE", "PostgresJournal", "PostgresReader"]

LEASE = 15.0
"""Seconds that a process may be silent before others may take over its edits."""
PATIENCE = 60.0
"""Seconds that the server may be away before a call fails."""
_PAGE = 256
_SQL = queries("postgres")


class PostgresReader:
    """Looks into a shared journal, and holds nothing. It connects at the first call.

    Args:
        dsn: `postgresql://user:password@host:port/database`; what it leaves out comes from the `PG*` variables.
        patience: seconds that the server may be away before a call fails.
    """

    def __init__(self, dsn: str, *, patience: float = PATIENCE) -> None:
        check_driver()
        self._link = Link(dsn, patience=patience)
        self._checked = False

    def __repr__(self) -> str:
        return f"PostgresReader({self._link.where!r})"

    async def entry(self, key: str) -> Entry | None:
        """The edit with this key."""
        rows = await self._fetch("entries_of_keys", [key])
        return entry_of(rows[0]) if rows else None

    def entries(self, *, open_only: bool = False, statuses: Sequence[Status] | None = None) -> AsyncIterator[Entry]:
        """Entries in the order of their admission, a page at a time."""
        if statuses is None:
            return in_order([partial(self._page, "page_of_open" if open_only else "page_of_all")])
        words = [text(str(status)) for status in statuses]
        return in_order([partial(self._page, "page_of_open_statuses" if open_only else "page_of_statuses", words)])

    async def by_nonce(self, nonce: str) -> Entry | None:
        """The edit that one attempt belongs to."""
        rows = await self._fetch("entry_of_nonce", nonce)
        return entry_of(rows[0]) if rows else None

    async def attempts(self, key: str) -> Sequence[Attempt]:
        """All attempts of one edit, oldest first."""
        return tuple(attempt_of(row) for row in await self._fetch("attempts_of_key", key))

    async def counts(self) -> Counts:
        """Edits per status and sums of credits."""
        rows = await self._fetch("counts")
        return Counts(
            statuses={Status(f"{untext(row[0])}"): row[1] for row in rows},
            credits_reserved=sum(row[2] for row in rows),
            credits_used=sum(row[3] for row in rows),
        )

    async def holders(self) -> Sequence[str]:
        """Names of the processes that work on it now."""
        return [str(row["name"]) for row in await self._fetch("names_of_living")]

    async def recall_upload(self, content: str, host: str, now: datetime) -> Hosted | None:
        """The hosted copy, while it lives."""
        rows = await self._fetch("get_upload", content, host, now)
        return Hosted(url=f"{untext(rows[0]['url'])}", expires_at=rows[0]["expires_at"]) if rows else None

    async def close(self) -> None:
        """Close the connection; a closed reader stays closed."""
        await self._link.close()

    async def _page(self, query: str, *arguments: object) -> Page:
        *words, after = arguments
        rows = await self._fetch(query, after, _PAGE, *words)
        return [(row["job"], entry_of(row)) for row in rows]

    async def _fetch(self, query: str, *arguments: object) -> Sequence[Record]:
        async def work(connection: Connection[Record]) -> Sequence[Record]:
            if not self._checked:
                await check_readable(connection)
                self._checked = True
            return await connection.fetch(_SQL[query], *arguments)

        return await self._link.run(work)


@attrs.frozen
class _Opened:
    """What an open journal consists of."""

    link: Link
    lease: Lease
    groups: Groups[Asked]
    reader: PostgresReader


class PostgresJournal:
    """A `Journal` in a PostgreSQL database (schema `omniedit`, made when it is not there), for any number of hosts.

    Every awaited write returns after its commit is durable on the server. While the server is away (a restart, a
    failover) writes wait for it, up to the patience, and then fail with a `JournalError`; a write may arrive twice,
    which does no harm. An edit that another living process holds is refused as `JournalBusy`; a process that was
    silent for its lease and was declared dead gets a `JournalError` with the code `lease_lost`, and should open the
    journal again. Links are in the database: keep it as private as they are.

    Args:
        dsn: `postgresql://user:password@host:port/database`; what it leaves out comes from the `PG*` variables.
        name: of this process, for people who look into the database; host and process id when not given.
        lease: seconds that this process may be silent before others may take over its edits.
        patience: seconds that the server may be away before a call fails.
    """

    def __init__(self, dsn: str, *, name: str | None = None, lease: float = LEASE, patience: float = PATIENCE) -> None:
        check_driver()
        self.lease = lease
        self._dsn = dsn
        self._name = name or process_name()
        self._patience = patience
        self._opened: _Opened | None = None

    def __repr__(self) -> str:
        return f"PostgresJournal({shown(self._dsn)!r})"

    async def open(self, origin: str) -> None:
        """Make or migrate the schema, check that it belongs to the origin, and become a holder."""
        if self._opened is not None:
            raise already_open()
        link = Link(self._dsn, patience=self._patience)
        # The lease's own link gives up a try early: there is another renewal.
        own = Link(self._dsn, patience=self.lease, timeout=self.lease / 2)
        lease = Lease(own, self._name, self.lease)
        try:
            await link.run(partial(prepare, origin=origin))
            await lease.take()
        except BaseException:
            await link.close()
            await own.close()
            raise
        groups = Groups(partial(_perform, link, lease))
        self._opened = _Opened(link, lease, groups, PostgresReader(self._dsn, patience=self._patience))

    async def close(self) -> None:
        """Write what was called, let go of all edits, close the connections."""
        if self._opened is None:
            return
        opened = self._opened
        try:
            await opened.groups.stop()
            await opened.lease.give_back()
        finally:
            await opened.reader.close()
            await opened.link.close()
        if self._opened is opened:
            self._opened = None

    @property
    def lost(self) -> asyncio.Event:
        """Set once others have declared this process dead: no edit can be moved any more until it is opened anew."""
        return self._here.lease.lost

    @property
    def holder(self) -> int:
        """The number under which this process holds edits."""
        return self._here.lease.holder

    async def claim(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        """Hold edits that nobody holds; the entries by key, those that have ended too, without those held by others."""
        return cast("Mapping[str, Entry]", await self._ask(Claim(keys), weight=len(keys)))

    async def let_go(self, keys: Sequence[str]) -> None:
        """Hold these edits no longer."""
        await self._ask(LetGo(keys), weight=len(keys))

    async def reap(self) -> Sequence[str]:
        """Declare dead who has been silent for a lease; their names. Their edits can be claimed from then on."""
        return await self._here.lease.reap()

    async def admit(self, entries: Sequence[Entry]) -> Sequence[Entry | NameTaken | EditHeld]:
        """Keep the first edit of each key and of each target, and hold what nobody else holds."""
        return cast("Sequence[Entry | NameTaken | EditHeld]", await self._ask(Admission(entries), weight=len(entries)))

    async def write(self, entry: Entry) -> None:
        """Replace the state of one edit."""
        await self._ask(Move(entry))

    async def intend(self, entry: Entry) -> None:
        """Replace the state and add the attempt."""
        await self._ask(Move(entry, is_intent=True))

    async def answer(self, answer: Answer, entry: Entry | None = None) -> None:
        """Fill in the outcome of an attempt, and replace the state when one is given.

        Raises:
            JournalError: the state may not be moved any more (`lease_lost`, `edit_held`); the outcome is on record.
        """
        await self._ask(Move(entry, answer))

    async def recall_upload(self, content: str, host: str, now: datetime) -> Hosted | None:
        """The hosted copy, while it lives."""
        return await self._here.reader.recall_upload(content, host, now)

    async def remember_upload(self, content: str, host: str, hosted: Hosted) -> None:
        """Keep where a content is hosted."""
        await self._ask(Upload(content, host, hosted))

    async def entry(self, key: str) -> Entry | None:
        """The edit with this key."""
        return await self._here.reader.entry(key)

    def entries(self, *, open_only: bool = False, statuses: Sequence[Status] | None = None) -> AsyncIterator[Entry]:
        """Entries in the order of their admission, a page at a time."""
        return self._here.reader.entries(open_only=open_only, statuses=statuses)

    async def by_nonce(self, nonce: str) -> Entry | None:
        """The edit that one attempt belongs to."""
        return await self._here.reader.by_nonce(nonce)

    async def attempts(self, key: str) -> Sequence[Attempt]:
        """All attempts of one edit, oldest first."""
        return await self._here.reader.attempts(key)

    async def counts(self) -> Counts:
        """Edits per status and sums of credits."""
        return await self._here.reader.counts()

    @property
    def _here(self) -> _Opened:
        if self._opened is None:
            raise not_open()
        return self._opened

    async def _ask(self, asked: Asked, weight: int = 1) -> object:
        return await self._here.groups.call(asked, weight)


async def _perform(link: Link, lease: Lease, calls: Sequence[Call[Asked]]) -> None:
    await link.run(lambda connection: perform(connection, lease.holder, calls))
