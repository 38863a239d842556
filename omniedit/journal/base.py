"""What a journal is, in types and in words. Every store passes one contract suite (`omniedit.testing`).

The contract:

1. *Durable before it returns.* When an awaited call returns, what it wrote survives kill -9 and, for stores on disk,
   a power cut. A call that was cancelled may or may not have written; nothing is ever half written.
2. *A job is written once.* `admit` keeps the first edit of a key; the state is replaced as a whole by `write`.
3. *Attempts are append-only.* `intend` adds the nonce before the paid request leaves; `answer` fills in its outcome,
   at any later time, whoever holds the edit by then. An answer never erases an accepted task id; a second, different
   accepted id for one nonce is kept as well (as detail) and the first stays.
4. *One holder.* While a journal on disk is open for writing no second process can open it (`JournalBusy`). Reading
   (`reader` of a store) works meanwhile and never blocks the writer.
5. *One service.* A journal belongs to the origin it was made with; another origin is refused (`JournalError`).
6. *Order.* Writes of one key are applied in the order in which the calls were made.
7. *No secret.* No API key and no header is ever given to a journal. Links are, and the file is private (mode 0600).
8. *Bounded.* Iteration goes by pages; no call holds more than a page of rows in memory.

All failures of the store itself are `JournalError`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

import attrs

from omniedit.models import Answer, Attempt, Entry, Hosted, Status

__all__ = ["Counts", "CountsCommits", "EditHeld", "FindsTasks", "Journal", "JournalReader", "NameTaken"]


@attrs.frozen
class NameTaken:
    """The answer of `admit` for an edit whose target belongs to another edit of the same journal."""

    target: str
    holder: str
    """Key of the edit that holds the name."""


@attrs.frozen
class EditHeld:
    """The answer of `admit` for an edit that another living process works on; only journals of many hosts give it."""

    entry: Entry
    by: str
    """Name of that process, for people."""


@attrs.frozen
class Counts:
    """A whole journal in a few numbers."""

    statuses: Mapping[Status, int]
    credits_reserved: float
    """Sum over all accepted edits."""
    credits_used: float


class JournalReader(Protocol):
    """The part that only reads; `omniedit status` and the report use it while a batch runs."""

    async def entry(self, key: str) -> Entry | None:
        """The edit with this key."""
        ...

    def entries(self, *, open_only: bool = False, statuses: Sequence[Status] | None = None) -> AsyncIterator[Entry]:
        """Entries in the order of their admission, a page at a time.

        `open_only` leaves out the ends (found by index, never by a scan); `statuses` keeps only these.
        Rows written while the iteration goes on may or may not be seen; none is seen twice.
        """
        ...

    async def by_nonce(self, nonce: str) -> Entry | None:
        """The edit that one attempt belongs to."""
        ...

    async def attempts(self, key: str) -> Sequence[Attempt]:
        """All attempts of one edit, oldest first."""
        ...

    async def counts(self) -> Counts:
        """Edits per status and sums of credits."""
        ...

    async def close(self) -> None:
        """Release everything; a second call does nothing. Waits for what was already given to it."""
        ...


class Journal(JournalReader, Protocol):
    """Memory that survives."""

    async def open(self, origin: str) -> None:
        """Take hold of the journal for one service origin, such as `https://api.evolink.ai`.

        Raises:
            JournalBusy: another process holds it (its pid is in the error).
            JournalError: another origin, a newer schema, a corrupt or unwritable file.
        """
        ...

    async def admit(self, entries: Sequence[Entry]) -> Sequence[Entry | NameTaken | EditHeld]:
        """Write edits that are new, and return for each what the journal now holds. What comes back is ours to move.

        An edit whose key is known comes back as it stands there (its job is not changed). A new one whose target
        (compared without case) belongs to another key comes back as `NameTaken` and is not written.
        One that another living process works on comes back as `EditHeld`.
        The answers have the order of the arguments; the same key twice in one call gives the same entry twice.
        """
        ...

    async def write(self, entry: Entry) -> None:
        """Replace the state of one admitted edit.

        Raises:
            JournalError: the edit was never admitted, or the store failed.
        """
        ...

    async def intend(self, entry: Entry) -> None:
        """Replace the state and add the attempt `entry.nonce` with outcome `sent`, in one transaction.

        The same nonce again (a repeat of a refused or uncertain request) sets its outcome back to `sent` unless it
        was accepted.
        """
        ...

    async def answer(self, answer: Answer, entry: Entry | None = None) -> None:
        """Fill in the outcome of an attempt and, when given, replace the state, in one transaction.

        An unknown nonce is a `JournalError`. An accepted attempt stays accepted whatever comes later.
        """
        ...

    async def recall_upload(self, content: str, host: str, now: datetime) -> Hosted | None:
        """The hosted copy of a content (sha256 in hexadecimal) at a host, if it still lives at `now`."""
        ...

    async def remember_upload(self, content: str, host: str, hosted: Hosted) -> None:
        """Keep where a content is hosted, replacing what was known."""
        ...


@runtime_checkable
class CountsCommits(Protocol):
    """A journal that tells how often it wrote to its store; not a part of the contract."""

    @property
    def commits(self) -> int:
        """Transactions since it was opened."""
        ...


@runtime_checkable
class FindsTasks(Protocol):
    """A journal that finds tasks faster than by reading every edit; not a part of the contract."""

    async def known_tasks(self, task_ids: Collection[str]) -> frozenset[str]:
        """Those of some task ids that stand with any edit or any of its requests."""
        ...
