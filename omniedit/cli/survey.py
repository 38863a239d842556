"""What a journal says of a batch: read only, also while the batch runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import attrs

from omniedit.cli.words import Group, Groups
from omniedit.core.lifecycle import standing
from omniedit.journal.base import JournalReader
from omniedit.journal.opening import open_reader
from omniedit.models import Entry, Status

__all__ = ["Survey", "survey"]

_NEAR = timedelta(hours=2)
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
        return Survey(
            counts.statuses,
            counts.credits_reserved,
            counts.credits_used,
            failures=await _failures(reader),
            uncertain=tuple(await _first(reader, Status.uncertain)),
            near=tuple(await _near(reader, datetime.now(UTC))),
        )
    finally:
        await reader.close()


async def _failures(reader: JournalReader) -> tuple[Group, ...]:
    groups, now = Groups(), datetime.now(UTC)
    async for entry in reader.entries(statuses=_BAD_ENDS):
        groups.add(standing(entry, now))
    return groups.ranked()


async def _first(reader: JournalReader, status: Status) -> list[Entry]:
    found: list[Entry] = []
    async for entry in reader.entries(statuses=[status]):
        found.append(entry)
        if len(found) == _LISTED:
            break
    return found


async def _near(reader: JournalReader, now: datetime) -> list[Entry]:
    """Bounded: of more than ten, the soonest are kept."""
    found: list[Entry] = []
    async for entry in reader.entries(statuses=_WITH_LINK):
        if entry.deadline is not None and entry.deadline - now < _NEAR:
            found = sorted([*found, entry], key=_deadline)[:_LISTED]
    return found


def _deadline(entry: Entry) -> datetime:
    return entry.deadline or datetime.max.replace(tzinfo=UTC)
