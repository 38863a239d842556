"""The journal for runs that need no memory: everything is gone with the process, and nothing else is different."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import attrs

from omniedit.errors import JournalError
from omniedit.journal.base import Counts, NameTaken
from omniedit.journal.rules import (
    already_open,
    answered,
    check_edit,
    fold,
    nonce_of,
    not_admitted,
    not_open,
    resent,
    unknown_nonce,
)
from omniedit.models import Answer, Attempt, Entry, Hosted, Status

__all__ = ["MemoryJournal"]


class MemoryJournal:
    """A `Journal` in dictionaries; it grows with the number of edits.

    What it holds outlives `close`, so that the same object can be opened again, as a file would be.
    """

    def __init__(self) -> None:
        self._origin: str | None = None
        self._is_open = False
        self._entries: dict[str, Entry] = {}
        self._holders: dict[str, str] = {}
        self._attempts: dict[str, Attempt] = {}
        self._nonces: dict[str, list[str]] = {}
        self._uploads: dict[tuple[str, str], Hosted] = {}

    def __repr__(self) -> str:
        return f"MemoryJournal({len(self._entries)} edits)"

    async def open(self, origin: str) -> None:
        """Begin, or go on, with one service."""
        if self._is_open:
            raise already_open()
        if self._origin not in {None, origin}:
            raise JournalError(
                f"this journal belongs to {self._origin}, not to {origin}",
                mend="use another journal for this service",
                code="other_origin",
            )
        self._origin, self._is_open = origin, True

    async def close(self) -> None:
        """Stop; what was written stays in the object."""
        self._is_open = False

    async def admit(self, entries: Sequence[Entry]) -> Sequence[Entry | NameTaken]:
        """Keep the first edit of each key and of each target."""
        self._check_open()
        for entry in entries:
            check_edit(entry.edit)
        return [self._admit(entry) for entry in entries]

    async def write(self, entry: Entry) -> None:
        """Replace the state of one edit."""
        self._check_open()
        self._replace(entry)

    async def intend(self, entry: Entry) -> None:
        """Replace the state and add the attempt."""
        self._check_open()
        nonce = nonce_of(entry)
        self._admitted(entry.key)
        known = self._attempts.get(nonce)
        attempt = Attempt(nonce, entry.key, entry.at) if known is None else resent(known, entry)
        self._replace(entry)
        self._attempts[nonce] = attempt
        if known is None:
            self._nonces.setdefault(entry.key, []).append(nonce)

    async def answer(self, answer: Answer, entry: Entry | None = None) -> None:
        """Fill in the outcome of an attempt, and replace the state when one is given."""
        self._check_open()
        known = self._attempts.get(answer.nonce)
        if known is None:
            raise unknown_nonce(answer.nonce)
        attempt = answered(known, answer, entry)
        if entry is not None:
            self._replace(entry)
        self._attempts[answer.nonce] = attempt

    async def recall_upload(self, content: str, host: str, now: datetime) -> Hosted | None:
        """The hosted copy, while it lives."""
        self._check_open()
        hosted = self._uploads.get((content, host))
        return hosted if hosted and (hosted.expires_at is None or hosted.expires_at > now) else None

    async def remember_upload(self, content: str, host: str, hosted: Hosted) -> None:
        """Keep where a content is hosted."""
        self._check_open()
        self._uploads[content, host] = hosted

    async def entry(self, key: str) -> Entry | None:
        """The edit with this key."""
        self._check_open()
        return self._entries.get(key)

    async def entries(
        self, *, open_only: bool = False, statuses: Sequence[Status] | None = None
    ) -> AsyncIterator[Entry]:
        """Entries in the order of their admission."""
        self._check_open()
        for key in list(self._entries):
            entry = self._entries[key]
            if not (open_only and entry.status.terminal) and (statuses is None or entry.status in statuses):
                yield entry

    async def by_nonce(self, nonce: str) -> Entry | None:
        """The edit that one attempt belongs to."""
        self._check_open()
        attempt = self._attempts.get(nonce)
        return self._entries[attempt.key] if attempt else None

    async def attempts(self, key: str) -> Sequence[Attempt]:
        """All attempts of one edit, oldest first."""
        self._check_open()
        return tuple(self._attempts[nonce] for nonce in self._nonces.get(key, ()))

    async def counts(self) -> Counts:
        """Edits per status and sums of credits."""
        self._check_open()
        entries = self._entries.values()
        return Counts(
            statuses=dict(Counter(entry.status for entry in entries)),
            credits_reserved=sum(entry.credits_reserved or 0.0 for entry in entries),
            credits_used=sum(entry.credits_used or 0.0 for entry in entries),
        )

    def _check_open(self) -> None:
        if not self._is_open:
            raise not_open()

    def _admit(self, entry: Entry) -> Entry | NameTaken:
        if entry.key in self._entries:
            return self._entries[entry.key]
        holder = self._holders.setdefault(fold(entry.target), entry.key) if entry.target else entry.key
        if holder != entry.key:
            return NameTaken(entry.target, holder)
        self._entries[entry.key] = entry
        return entry

    def _admitted(self, key: str) -> Entry:
        known = self._entries.get(key)
        if known is None:
            raise not_admitted(key)
        return known

    def _replace(self, entry: Entry) -> None:
        known = self._admitted(entry.key)
        self._entries[entry.key] = attrs.evolve(entry, edit=known.edit, target=known.target)
