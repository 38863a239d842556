"""What a journal says of a batch: read only, also while the batch runs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

import attrs

from omniedit.cli.words import Group, Groups
from omniedit.core.lifecycle import standing
from omniedit.journal.base import JournalReader
from omniedit.journal.opening import open_reader
from omniedit.models import Entry, Status

__all__ = ["Survey", "survey"]

_NEAR = timedelta(hours=2)
_LOOKED_AT = 5_000  # bad ends of one status: what is wrong with so many is known, and a look stays short
_LISTED = 10  # uncertain edits and near deadlines that are named
_BAD_ENDS = (Status.failed, Status.cancelled, Status.rejected, Status.expired)
_WITH_LINK = (Status.completed, Status.downloading)


@attrs.frozen
class Survey:
    """A batch in numbers, and what needs somebody."""

    counts: Mapping[Status, int]
    credits_reserved: float
    credits_used: float
    failures: tuple[Group, ...]
    """Of the first thousands of each bad end."""
    unsorted: int
    """Bad ends beyond those."""
    uncertain: tuple[Entry, ...]
    """The first ten."""
    near: tuple[Entry, ...]
    """The first ten whose links die soon, soonest first."""


async def survey(journal: str | os.PathLike[str]) -> Survey:
    """Read the journal at a path, or behind the address of a database.

    Raises:
        JournalError: there is none, or it cannot be read.
    """
    reader = open_reader(journal)
    try:
        counts = await reader.counts()
        failures = await _failures(reader)
        bad = sum(counts.statuses.get(status, 0) for status in _BAD_ENDS)
        return Survey(
            counts.statuses,
            counts.credits_reserved,
            counts.credits_used,
            failures=failures,
            unsorted=max(bad - sum(group.count for group in failures), 0),
            uncertain=tuple([entry async for entry in _first(reader, Status.uncertain, _LISTED)]),
            near=tuple(await _near(reader, datetime.now(UTC))),
        )
    finally:
        await reader.close()


async def _failures(reader: JournalReader) -> tuple[Group, ...]:
    groups, now = Groups(), datetime.now(UTC)
    for status in _BAD_ENDS:
        async for entry in _first(reader, status, _LOOKED_AT):
            groups.add(standing(entry, now))
    return groups.ranked()


async def _first(reader: JournalReader, status: Status, most: int) -> AsyncIterator[Entry]:
    left = most
    async for entry in reader.entries(statuses=[status]):
        yield entry
        left -= 1
        if not left:
            return


async def _near(reader: JournalReader, now: datetime) -> list[Entry]:
    """Bounded: of more than ten, the soonest are kept."""
    found: list[Entry] = []
    async for entry in reader.entries(statuses=_WITH_LINK):
        if entry.deadline is not None and entry.deadline - now < _NEAR:
            found = sorted([*found, entry], key=_deadline)[:_LISTED]
    return found


def _deadline(entry: Entry) -> datetime:
    return entry.deadline or datetime.max.replace(tzinfo=UTC)
