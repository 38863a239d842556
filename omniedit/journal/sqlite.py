"""The default journal: one SQLite file, written by one thread in groups.

Whatever waits is one transaction, and one wait for the disk: a thousand coroutines that write at once share a handful
of commits. Reading goes through a connection of its own, so that no commit waits behind a long look.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

from omniedit.journal.base import Counts, NameTaken
from omniedit.journal.commits import Commits, Looks
from omniedit.journal.database import files_of, read_only, writable
from omniedit.journal.lock import hold
from omniedit.journal.paging import Fetch, Page, in_order
from omniedit.journal.rules import already_open, not_open
from omniedit.journal.tables import Reading, Writing
from omniedit.journal.worker import Worker
from omniedit.models import Answer, Attempt, Entry, Hosted, Status

__all__ = ["SqliteJournal", "SqliteReader"]


class SqliteReader:
    """Looks into a journal, also while a batch writes to it, and never keeps the writer waiting.

    The file is opened by the first call, in whose event loop the reader then lives. What it reads has links in it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = _real(path)
        self._worker = Worker("omniedit-journal-reader", partial(_looks, self._path))

    def __repr__(self) -> str:
        return f"SqliteReader({str(self._path)!r})"

    async def entry(self, key: str) -> Entry | None:
        """The edit with this key."""
        return await self._worker.call(lambda tables: tables.entry(key))

    def entries(self, *, open_only: bool = False, statuses: Sequence[Status] | None = None) -> AsyncIterator[Entry]:
        """Entries in the order of their admission, a page at a time."""
        if statuses is None:
            return in_order([self._pages(lambda tables, after: tables.page(after, open_only=open_only))])
        wanted = [status for status in dict.fromkeys(statuses) if not (open_only and status.terminal)]
        return in_order([self._pages(partial(_page_of_status, status)) for status in wanted])

    async def by_nonce(self, nonce: str) -> Entry | None:
        """The edit that one attempt belongs to."""
        return await self._worker.call(lambda tables: tables.by_nonce(nonce))

    async def attempts(self, key: str) -> Sequence[Attempt]:
        """All attempts of one edit, oldest first."""
        return await self._worker.call(lambda tables: tables.attempts(key))

    async def known_tasks(self, task_ids: Collection[str]) -> frozenset[str]:
        """Those of some task ids that stand with any edit or any of its requests."""
        return await self._worker.call(lambda tables: tables.known_tasks(task_ids))

    async def counts(self) -> Counts:
        """Edits per status and sums of credits."""
        return await self._worker.call(Reading.counts)

    async def close(self) -> None:
        """Close the file and end the thread; a closed reader stays closed."""
        await self._worker.stop()

    def _pages(self, look: Callable[[Reading, int], Page]) -> Fetch:
        return lambda after: self._worker.call(lambda tables: look(tables, after))


def _page_of_status(status: Status, tables: Reading, after: int) -> Page:
    return tables.page_of_status(after, status)


class SqliteJournal:
    """A `Journal` in one SQLite file, made when it is not there.

    Beside it lie, while it is open, `NAME-wal` and `NAME-shm` (SQLite's own) and `NAME.lock`; all are private (mode
    0600). It belongs to the event loop in which it was opened. Every awaited write returns after its commit is on the
    disk; a cancelled one may still be committed. When the disk is full or fails, the writes that wait get a
    `JournalError` and are not in the journal; later ones are tried again.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = _real(path)
        self._open: tuple[Worker[Writing], SqliteReader] | None = None

    def __repr__(self) -> str:
        return f"SqliteJournal({str(self._path)!r})"

    @property
    def path(self) -> Path:
        """Where the file lies, with links followed."""
        return self._path

    @property
    def commits(self) -> int:
        """Transactions since it was opened."""
        return self._open[0].groups if self._open is not None else 0

    async def open(self, origin: str) -> None:
        """Lock the file, make or migrate it, and check that it belongs to the origin."""
        if self._open is not None:
            raise already_open()
        writer = Worker("omniedit-journal", partial(_commits, self._path, origin))
        self._open = writer, SqliteReader(self._path)
        try:
            await writer.call(_nothing)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Commit what was called, close the file, release the lock, end the threads."""
        if self._open is None:
            return
        writer, reader = opened = self._open
        try:
            await reader.close()
        finally:
            await writer.stop()
        if self._open is opened:
            self._open = None

    async def remove(self) -> None:
        """Close, and delete the journal's files: its work is done. Does nothing when it is not open."""
        if self._open is not None:
            await self._writer.call(Writing.discard)
            await self.close()

    async def admit(self, entries: Sequence[Entry]) -> Sequence[Entry | NameTaken]:
        """Keep the first edit of each key and of each target."""
        return await self._writer.call(lambda tables: tables.admit(entries), weight=len(entries))

    async def write(self, entry: Entry) -> None:
        """Replace the state of one edit."""
        await self._writer.call(lambda tables: tables.write(entry))

    async def intend(self, entry: Entry) -> None:
        """Replace the state and add the attempt."""
        await self._writer.call(lambda tables: tables.intend(entry))

    async def answer(self, answer: Answer, entry: Entry | None = None) -> None:
        """Fill in the outcome of an attempt, and replace the state when one is given."""
        await self._writer.call(lambda tables: tables.answer(answer, entry))

    async def recall_upload(self, content: str, host: str, now: datetime) -> Hosted | None:
        """The hosted copy, while it lives."""
        return await self._writer.call(lambda tables: tables.recall_upload(content, host, now))

    async def remember_upload(self, content: str, host: str, hosted: Hosted) -> None:
        """Keep where a content is hosted."""
        await self._writer.call(lambda tables: tables.remember_upload(content, host, hosted))

    async def entry(self, key: str) -> Entry | None:
        """The edit with this key."""
        return await self._reader.entry(key)

    def entries(self, *, open_only: bool = False, statuses: Sequence[Status] | None = None) -> AsyncIterator[Entry]:
        """Entries in the order of their admission, a page at a time."""
        return self._reader.entries(open_only=open_only, statuses=statuses)

    async def by_nonce(self, nonce: str) -> Entry | None:
        """The edit that one attempt belongs to."""
        return await self._reader.by_nonce(nonce)

    async def attempts(self, key: str) -> Sequence[Attempt]:
        """All attempts of one edit, oldest first."""
        return await self._reader.attempts(key)

    async def known_tasks(self, task_ids: Collection[str]) -> frozenset[str]:
        """Those of some task ids that stand with any edit or any of its requests."""
        return await self._reader.known_tasks(task_ids)

    async def counts(self) -> Counts:
        """Edits per status and sums of credits."""
        return await self._reader.counts()

    @property
    def _writer(self) -> Worker[Writing]:
        if self._open is None:
            raise not_open()
        return self._open[0]

    @property
    def _reader(self) -> SqliteReader:
        if self._open is None:
            raise not_open()
        return self._open[1]


def _real(path: str | os.PathLike[str]) -> Path:
    """One name for one file, so that everybody locks the same."""
    return Path(os.path.realpath(path))


def _nothing(_tables: Writing) -> None:
    """The first call: it returns when the service has been opened."""


@contextmanager
def _looks(path: Path) -> Generator[Looks]:
    with read_only(path) as connection:
        yield Looks(path, connection)


@contextmanager
def _commits(path: Path, origin: str) -> Generator[Commits]:
    with hold(path):
        with writable(path, origin) as connection:
            service = Commits(path, connection)
            yield service
        if service.discarded:
            for file in files_of(path):
                file.unlink(missing_ok=True)
