"""Settling lost requests while their edits are under way: by calls that name them, and by the service's listing.

A call is waited for as long as one is likely to come; what it names is looked at before it is believed. The listing is
only for those who alone use their key; it is looked at a few times, since a task may be made late. What nothing settles
stays uncertain.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

import attrs

from omniedit.clock import Clock
from omniedit.core.lifecycle import Step
from omniedit.core.polling import DueQueue, Place
from omniedit.errors import JournalError, OmniEditError
from omniedit.flow.alarm import Alarm
from omniedit.flow.crew import Crew
from omniedit.flow.finding import Listing, Witness
from omniedit.flow.record import Record, defect

__all__ = ["Settler"]

_log = logging.getLogger("omniedit.settle")
_AFTER = (2.0, 10.0, 30.0, 60.0)  # seconds until each further look at the listing
_CALL_WITHIN = 600.0  # seconds after a request in which a call is waited for: twice the longest time told of a task
_MOST_NAMED = 8  # tasks that calls may name for one request: more are no mistake of the service
_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # seconds between tries to see a task that was named


@attrs.define(eq=False)
class _Case:
    """An uncertain record that is to be settled. Times are monotonic seconds."""

    record: Record
    error: OmniEditError
    called_by: float
    """Until when a call is waited for."""
    look_at: float | None
    """When the listing is looked at next."""
    looks: int = 0
    heard: set[str] = attrs.field(factory=set[str])
    """Tasks that calls have named."""
    named: list[str] = attrs.field(factory=list[str])
    """Those that are still to be seen."""
    ask_at: float = 0.0
    misses: int = 0
    place: Place | None = None

    def due(self, now: float) -> float | None:
        """When there is something to do; None when nothing can settle it any more."""
        moments = [self.called_by] if self.called_by > now else []
        moments += [self.look_at] if self.look_at is not None else []
        moments += [self.ask_at] if self.named else []
        return min(moments, default=None)


class Settler:
    """Settles what can be settled of the edits that are under way, one after the other.

    Args:
        listing: finds tasks; None where that was not asked for.
        witness: confirms tasks that calls name.
        clock: time.
        on_found: takes records whose task was found.
        on_ended: takes records that stay uncertain, and why.
    """

    def __init__(
        self,
        listing: Listing | None,
        witness: Witness,
        clock: Clock,
        *,
        on_found: Callable[[Record], None],
        on_ended: Callable[[Record, OmniEditError | None], None],
    ) -> None:
        self._listing = listing
        self._witness = witness
        self._clock = clock
        self._on_found = on_found
        self._on_ended = on_ended
        self._due: DueQueue[_Case] = DueQueue()
        self._cases: dict[Record, _Case] = {}
        self._alarm = Alarm(clock, self._wake)
        self._crew = Crew(1, self._take, self._work, lambda case: self._end(case, defect(case.record)))
        self._closed = False

    def add(self, record: Record, error: OmniEditError, *, sent_at: datetime | None, named: str | None) -> None:
        """Try to settle an uncertain record; it is given back at once when nothing can.

        Args:
            record: the edit.
            error: why it is uncertain.
            sent_at: when its request left, where a call for it may come.
            named: the task that a call named already.
        """
        if self._closed:
            return
        now = self._clock.monotonic()
        left = _CALL_WITHIN - (self._clock.utcnow() - sent_at).total_seconds() if sent_at is not None else 0.0
        look_at = None if self._listing is None else now + _AFTER[0]
        case = _Case(record, error, now + min(left, _CALL_WITHIN), look_at)
        self._cases[record] = case
        if named is not None:
            case.heard.add(named)
            case.named.append(named)
        self._park(case)

    def called(self, record: Record, task_id: str) -> None:
        """A call named the task of a record; it is looked at now, once however often it is named."""
        case = self._cases.get(record)
        if case is None or task_id in case.heard or len(case.heard) >= _MOST_NAMED:
            return
        case.heard.add(task_id)
        case.named.append(task_id)
        if case.place is not None:
            case.place = self._due.reschedule(case.place, case.ask_at)
            self._alarm.set(case.ask_at)

    async def release(self, record: Record) -> None:
        """Settle it no more."""
        case = self._cases.pop(record, None)
        if case is not None and case.place is not None:
            self._due.remove(case.place)
        elif case is not None:
            await self._crew.drop(case)

    async def close(self) -> None:
        """Stop all of it."""
        self._closed = True
        await self._alarm.close()
        await self._crew.close()

    def _park(self, case: _Case) -> None:
        due = case.due(self._clock.monotonic())
        if due is None:
            self._end(case, case.error)
            return
        case.place = self._due.push(case, due)
        self._alarm.set(due)

    def _wake(self) -> None:
        self._crew.nudge()
        due = self._due.next_due()
        if due is not None and self._crew.busy < self._crew.size:
            self._alarm.set(due)

    def _take(self) -> _Case | None:
        for case in self._due.pop_due(self._clock.monotonic(), 1):
            case.place = None
            return case
        due = self._due.next_due()
        if due is not None:
            self._alarm.set(due)
        return None

    async def _work(self, case: _Case) -> None:
        record = case.record
        try:
            step = await self._settled(case)
        except JournalError as error:
            record.run.stop(error)
            self._end(case, error)
            return
        if step is None:
            self._park(case)
            return
        self._cases.pop(record, None)
        record.entry = step.entry
        record.tell(step.changes)
        self._on_found(record)

    async def _settled(self, case: _Case) -> Step | None:
        now = self._clock.monotonic()
        if case.named and case.ask_at <= now:
            return await self._ask(case)
        if self._listing is not None and case.look_at is not None and case.look_at <= now:
            case.looks += 1
            case.look_at = now + _AFTER[case.looks] if case.looks < len(_AFTER) else None
            return await self._listing.settle(case.record.run.journal, case.record.entry)
        return None

    async def _ask(self, case: _Case) -> Step | None:
        """See one of the tasks that were named. What cannot be seen now is tried again, some times."""
        task_id = case.named[0]
        try:
            step = await self._witness.settle(case.record.run.journal, case.record.entry, task_id)
        except JournalError:
            raise
        except OmniEditError as error:
            _log.info("settle.unseen key=%s task_id=%s: %s", case.record.key, task_id, error.message)
            if case.misses < len(_PAUSES):
                case.ask_at = self._clock.monotonic() + _PAUSES[case.misses]
                case.misses += 1
                return None
            step = None
        case.named.remove(task_id)
        case.misses, case.ask_at = 0, 0.0
        return step

    def _end(self, case: _Case, error: OmniEditError) -> None:
        self._cases.pop(case.record, None)
        self._on_ended(case.record, error)
