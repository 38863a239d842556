"""The journals of one client: each opened once, closed with the client, and read along for hints while it is open."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from omniedit.core.arguments import check_able
from omniedit.errors import JournalError

if TYPE_CHECKING:
    from omniedit.journal.base import Journal

__all__ = ["Journals", "read_journal"]


class Journals:
    """Opens journals for one service.

    Args:
        origin: the service's origin; a journal of another one is refused.
        hint: takes what a receiver process leaves beside a journal file; None without callbacks.
        own: the client's own journal, or where it is; None to remember in memory only.

    Raises:
        ConfigurationError: there is no such kind of journal, or its driver is missing.
    """

    def __init__(
        self,
        origin: str,
        hint: Callable[[str, str | None], bool] | None,
        own: str | os.PathLike[str] | Journal | None,
    ) -> None:
        self._origin = origin
        self._hint = hint
        self._places: dict[str, Journal] = {}
        self._own = None if own is None else self.at(own)
        self._opening: dict[int, asyncio.Task[Journal]] = {}
        self._following: list[asyncio.Task[None]] = []

    @property
    def own(self) -> Journal:
        """The client's own journal; without one a memory, made when it is first asked for."""
        if self._own is None:
            self._own = read_journal(None)
        return self._own

    def at(self, journal: str | os.PathLike[str] | Journal) -> Journal:
        """A journal, or the one at a place: however often a place is named, it is one journal, opened once.

        Raises:
            ConfigurationError: there is no such kind of journal, or its driver is missing.
        """
        if not isinstance(journal, str | os.PathLike):
            check_able("journal", journal, "open", "close")
            return journal
        text = os.fspath(journal)
        place = text if "://" in text else os.path.realpath(text)
        if place not in self._places:
            self._places[place] = read_journal(journal)
        return self._places[place]

    async def opened(self, journal: Journal) -> Journal:
        """The journal, opened. Cancelling one caller does not disturb the others.

        Raises:
            JournalError, JournalBusy: it cannot be used; a later call tries again.
        """
        opening = self._opening.get(id(journal))
        if opening is None or (opening.done() and _failed(opening)):
            opening = asyncio.get_running_loop().create_task(self._open(journal))
            self._opening[id(journal)] = opening
        return await asyncio.shield(opening)

    async def close(self) -> None:
        """Close every journal that was opened."""
        for task in (*self._following, *(opening for opening in self._opening.values() if not opening.done())):
            task.cancel()
            await asyncio.wait([task])
        for opening in self._opening.values():
            if not _failed(opening):
                await opening.result().close()

    async def _open(self, journal: Journal) -> Journal:
        await journal.open(self._origin)
        try:
            if self._hint is not None:
                self._follow(journal, self._hint)
        except OSError as error:
            await journal.close()
            raise JournalError(
                f"the calls beside the journal cannot be read: {error.filename}: {error.strerror}",
                mend="remove what lies there, or give yourself the right to read it",
            ) from error
        return journal

    def _follow(self, journal: Journal, hint: Callable[[str, str | None], bool]) -> None:
        from omniedit.flow.receiver import Spool, spool_beside  # brings a web server, which most clients never need
        from omniedit.journal.sqlite import SqliteJournal

        if isinstance(journal, SqliteJournal):
            spool = Spool(spool_beside(journal.path))
            spool.read(hint)  # calls that came while nobody ran the batch may settle what it left uncertain
            self._following.append(asyncio.get_running_loop().create_task(spool.follow(hint)))


def read_journal(journal: str | os.PathLike[str] | Journal | None) -> Journal:
    """A journal, or the one at a place; still to be opened.

    Raises:
        ConfigurationError: there is no such kind of journal, or its driver is missing.
    """
    from omniedit.journal.opening import open_journal  # with a store: who only submits and asks needs none

    return open_journal(journal)


def _failed(opening: asyncio.Task[Journal]) -> bool:
    return opening.cancelled() or opening.exception() is not None
