"""Settling lost requests by the service's listing of tasks, for those who alone use their key.

A lost answer is looked for a few times, since its task may be made late. What is found is written down like any other
answer; what is not found stays uncertain. The listing is read first and the journal afterwards: whatever was sent
before the listing was made is then in the journal, as known, or as open and so in doubt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import attrs

from omniedit.api import wire
from omniedit.api.client import Door
from omniedit.api.gate import Gate
from omniedit.clock import Clock
from omniedit.core.lifecycle import Step, move
from omniedit.core.polling import DueQueue, Place
from omniedit.core.settling import SKEW, Open, is_alone, match, possible
from omniedit.errors import JournalError, OmniEditError, ServiceError
from omniedit.flow.alarm import Alarm
from omniedit.flow.asking import ask
from omniedit.flow.crew import Crew
from omniedit.flow.record import Record, defect
from omniedit.journal.base import Journal
from omniedit.models import Answer, Attempt, Entry, Outcome, Reply, Status, Task

__all__ = ["Listing", "Settler"]

_log = logging.getLogger("omniedit.settle")
_PAGES = 20  # of the listing: beyond it nothing is settled
_AFTER = (2.0, 10.0, 30.0, 60.0)  # seconds until each further look
_OPEN = (Status.submitting, Status.uncertain)


class Listing:
    """Finds the task of a lost request.

    Args:
        door: asks.
        gate: says when.
        clock: time.
        patience: seconds after which no task can come of a request any more.
    """

    def __init__(self, door: Door, gate: Gate, clock: Clock, *, patience: float) -> None:
        self._door = door
        self._gate = gate
        self._clock = clock
        self._patience = timedelta(seconds=patience)
        self._exists = True

    async def settle(self, journal: Journal, entry: Entry) -> Step | None:
        """Find and write down the task of an uncertain edit; the step is None when nothing is certain.

        Raises:
            JournalError: it could not be written.
        """
        attempt = await _attempt_of(journal, entry)
        if attempt is None or not self._exists:
            return None
        try:
            listed = await self._listed(entry.edit.model, attempt.at)
        except OmniEditError as error:
            self._exists = not (isinstance(error, ServiceError) and error.status in {404, 405})
            _log.info("settle.no_listing: %s", error.message)
            return None
        found = None if listed is None else await self._matched(journal, entry, attempt, *listed)
        return None if found is None else await self._written(journal, entry, attempt, found)

    async def _listed(self, model: str, since: datetime) -> tuple[list[Task], timedelta] | None:
        """The tasks made since a moment, and how far the service's clock is ahead; None when there are too many."""
        tasks: list[Task] = []
        for page in range(1, _PAGES + 1):
            reply = await ask(self._gate, self._door, wire.listing(model=model, page=page))
            ahead = _date_of(reply, self._clock.utcnow()) - self._clock.utcnow()
            rows = wire.read_page(reply).tasks
            tasks += rows
            oldest = rows[-1].created if rows else None
            if not rows or (oldest is not None and oldest < since + ahead - SKEW):
                return tasks, ahead
        return None

    async def _matched(
        self, journal: Journal, entry: Entry, attempt: Attempt, tasks: list[Task], ahead: timedelta
    ) -> Task | None:
        wanted = Open(attempt.nonce, entry.edit.model, attempt.at + ahead)
        if not is_alone(wanted, await _open_requests(journal, ahead), self._patience):
            return None
        strangers = possible(wanted, tasks, self._patience)
        return match(wanted, await _without_owned(journal, strangers)) if strangers else None

    async def _written(self, journal: Journal, entry: Entry, attempt: Attempt, task: Task) -> Step:
        now = self._clock.utcnow()
        step = move(
            entry,
            Status.pending,
            now,
            reopening=True,
            task_id=task.id,
            submitted_at=attempt.at,
            unfinished_at=attempt.at,
        )
        answer = Answer(attempt.nonce, Outcome.accepted, now, task.id, detail="found in the listing")
        await journal.answer(answer, step.entry)
        _log.info("settle.found key=%s task_id=%s", entry.key, task.id)
        return step


async def _open_requests(journal: Journal, ahead: timedelta) -> list[Open]:
    """Every request without a known outcome, by the service's clock."""
    return [
        Open(one.nonce, entry.edit.model, one.at + ahead)
        async for entry in journal.entries(statuses=_OPEN)
        for one in await journal.attempts(entry.key)
        if one.outcome in {Outcome.sent, Outcome.unknown}
    ]


async def _without_owned(journal: Journal, tasks: list[Task]) -> list[Task]:
    """The tasks that the journal does not know."""
    strangers = {task.id: task for task in tasks}
    async for entry in journal.entries():
        strangers.pop(entry.task_id or "", None)
        if entry.status in _OPEN:  # a late answer may be booked there
            for one in await journal.attempts(entry.key):
                strangers.pop(one.task_id or "", None)
    return list(strangers.values())


async def _attempt_of(journal: Journal, entry: Entry) -> Attempt | None:
    return next((one for one in await journal.attempts(entry.key) if one.nonce == entry.nonce), None)


def _date_of(reply: Reply, default: datetime) -> datetime:
    """The moment at which the service answered, by its own clock (RFC 9110, section 6.6.1)."""
    try:
        date = parsedate_to_datetime(reply.headers.get("date", ""))
    except ValueError:
        return default
    return date if date.tzinfo is not None else default


@attrs.define(eq=False)
class _Case:
    """An uncertain record that is looked for."""

    record: Record
    error: OmniEditError
    looks: int = 0
    place: Place[_Case] | None = None


class Settler:
    """Looks for lost requests of edits that are under way, a few times each.

    Args:
        listing: finds their tasks.
        clock: time.
        on_found: takes records whose task was found.
        on_ended: takes records that stay uncertain, and why.
    """

    def __init__(
        self,
        listing: Listing,
        clock: Clock,
        *,
        on_found: Callable[[Record], None],
        on_ended: Callable[[Record, OmniEditError | None], None],
    ) -> None:
        self._listing = listing
        self._clock = clock
        self._on_found = on_found
        self._on_ended = on_ended
        self._due: DueQueue[_Case] = DueQueue()
        self._cases: dict[Record, _Case] = {}
        self._alarm = Alarm(clock, self._wake)
        self._crew = Crew(1, self._take, self._work, lambda case: self._end(case, defect(case.record)))
        self._closed = False

    def add(self, record: Record, error: OmniEditError) -> None:
        """Look for the task of an uncertain record."""
        if not self._closed:
            self._cases[record] = case = _Case(record, error)
            self._park(case)

    async def release(self, record: Record) -> None:
        """Look for it no more."""
        case = self._cases.pop(record, None)
        if case is not None and case.place is not None:
            self._due.remove(case.place)
        elif case is not None:
            await self._crew.drop(case)

    async def close(self) -> None:
        """Stop looking."""
        self._closed = True
        await self._alarm.close()
        await self._crew.close()

    def _park(self, case: _Case) -> None:
        due = self._clock.monotonic() + _AFTER[case.looks]
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
            step = await self._listing.settle(record.run.journal, record.entry)
        except JournalError as error:
            record.run.stop(error)
            self._end(case, error)
            return
        case.looks += 1
        if step is not None:
            self._cases.pop(record, None)
            record.entry = step.entry
            record.tell(step.changes)
            self._on_found(record)
        elif case.looks < len(_AFTER):
            self._park(case)
        else:
            self._end(case, case.error)

    def _end(self, case: _Case, error: OmniEditError) -> None:
        self._cases.pop(case.record, None)
        self._on_ended(case.record, error)
