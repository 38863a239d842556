"""What the engine holds of an edit while it is under way, and of the run that the edit belongs to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import attrs

from omniedit.changes import Change, Transfer
from omniedit.core.lifecycle import Step
from omniedit.core.linkexpiry import link_deadline
from omniedit.core.money import Budget
from omniedit.core.polling import Place, Reading
from omniedit.errors import JournalBusy, OmniEditError
from omniedit.flow.intent import OnUncertain
from omniedit.flow.seen import Names
from omniedit.journal.base import Journal
from omniedit.models import Entry

__all__ = ["OnTransfer", "Record", "Run", "commit", "linked", "take"]

OnTransfer = Callable[[Transfer], None]
"""Told of bytes on their way, some times a second for each transfer; it must return at once."""


class Listener(Protocol):
    """Who asked for the edits of a run."""

    def tell(self, change: Change) -> None:
        """Something changed."""
        ...

    def started(self, record: Record) -> None:
        """The engine has taken a record; `ended` follows, unless the record is released."""
        ...

    def ended(self, record: Record, error: OmniEditError | None) -> None:
        """The engine is done with a record in this run; `error` when it is not saved."""
        ...

    def stop(self, error: OmniEditError) -> None:
        """Nothing more can be submitted for this run."""
        ...


@attrs.define(eq=False)
class Run:
    """What the edits of one call have in common."""

    journal: Journal
    listener: Listener
    budget: Budget
    on_uncertain: OnUncertain = OnUncertain.hold
    overwrite: bool = False
    retry_failed: bool = False
    stopped: OmniEditError | None = None
    """Why nothing more is submitted for this run."""
    holding: bool = False
    """Nobody watches: nothing new is paid for, what is paid is followed."""
    held: list[Record] = attrs.field(factory=list["Record"])
    on_transfer: OnTransfer | None = None
    names: Names | None = None
    """Where the results of many edits go; None for one."""

    def stop(self, error: OmniEditError) -> None:
        """Submit nothing more; the first reason counts. That another process has one edit concerns no other edit."""
        if self.stopped is None and not isinstance(error, JournalBusy):
            self.stopped = error
            self.listener.stop(error)


@attrs.define(eq=False)
class Record:
    """One edit under way: small, since a hundred thousand of them wait at once. Times are monotonic seconds."""

    entry: Entry
    run: Run
    taken_at: float
    moved: bool = False
    """Its result goes into another folder than the journal says: it replaces nothing there."""
    fresh: bool = False
    """Whether its task was accepted in this run, as its answer said."""
    progress: int = 0
    seconds: float | None = None
    """Length of the clip, when preflight has seen it."""
    estimate: float | None = None
    """Seconds that the service guessed the task would take."""
    accepted_at: float = 0.0
    looked_at: float = 0.0
    unfinished_at: datetime | None = None
    """The wall clock at the last look that found the task unfinished; the entry learns of it with the task's end."""
    unknown_since: float | None = None
    readings: tuple[Reading, ...] = ()
    misses: int = 0
    """Looks, or submissions, in a row that brought nothing."""
    missing: int = 0
    """Looks in a row that found no such task."""
    replays: int = 0
    """Repeats of its uncertain request in this run."""
    refused_since: float | None = None
    looks: int = 0
    called_at: float | None = None
    """When a callback last named this edit."""
    place: Place | None = None
    counted: bool = False
    """Whether the gate counts its task as unfinished."""
    released: bool = False
    """Nobody wants it followed any more in this run."""
    on_change: Callable[[Record, Sequence[Change]], None] | None = None

    @property
    def key(self) -> str:
        """The edit's stable identity."""
        return self.entry.key

    def tell(self, changes: Sequence[Change]) -> None:
        """Show changes to whoever asked for the edit."""
        if self.on_change is not None:
            self.on_change(self, changes)
        for change in changes:
            self.progress = change.progress
            self.run.listener.tell(change)


async def commit(record: Record, step: Step) -> None:
    """Make a move durable, then take it and show it.

    Raises:
        JournalError: it could not be written; the record is as before.
    """
    if step.changes and step.entry.status != record.entry.status:
        await record.run.journal.write(step.entry)
    take(record, step)


def take(record: Record, step: Step) -> None:
    """Take a move that is durable already, or needs not be, and show it."""
    record.entry = step.entry
    record.tell(step.changes)


def linked(entry: Entry, link: str, now: datetime) -> Entry:
    """The entry with the link to its result, and the moment at which that link is treated as dead."""
    unfinished = entry.unfinished_at or entry.submitted_at or now
    return attrs.evolve(entry, link=link, deadline=link_deadline(link, unfinished))


def defect(record: Record) -> OmniEditError:
    """The error for what should never happen; the log has the traceback."""
    return OmniEditError(
        f"a defect of omniedit stopped this edit while it was {record.entry.status}; the log says more",
        code="defect",
        mend="please report it; nothing paid is forgotten, the same journal goes on with it",
        task_id=record.entry.task_id,
        idempotency_key=record.entry.nonce,
    )
