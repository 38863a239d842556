"""Finding the task of a lost request: in the service's listing, or by the id that a call names.

What is found is written down like any other answer; what is not found stays uncertain. The service is asked first and
the journal afterwards: whatever was sent before the service answered is then in the journal, as known, or as open and
so in doubt.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from omniedit.api import wire
from omniedit.api.client import Door
from omniedit.api.gate import Gate
from omniedit.clock import Clock
from omniedit.core.httpdate import read_date
from omniedit.core.lifecycle import Step, move
from omniedit.core.settling import SKEW, Open, is_alone, is_plausible, match, possible
from omniedit.errors import AccessDenied, OmniEditError, ServiceError
from omniedit.flow.asking import ask
from omniedit.journal.base import FindsTasks, Journal
from omniedit.models import Answer, Attempt, Entry, Outcome, Reply, Status, Task

__all__ = ["Listing", "Witness"]

_log = logging.getLogger("omniedit.settle")
_PAGES = 20  # of the listing: beyond it nothing is settled
_OPEN = (Status.submitting, Status.uncertain)


class Listing:
    """Finds the task of a lost request among all tasks of a key, for those who alone use theirs.

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
        if found is None:
            return None
        answer = _acceptance(attempt, found, self._clock.utcnow(), "found in the listing")
        return await _written(journal, entry, attempt, answer)

    async def _listed(self, model: str, since: datetime) -> tuple[list[Task], timedelta] | None:
        """The tasks made since a moment, and how far the service's clock is ahead; None when there are too many."""
        tasks: list[Task] = []
        for page in range(1, _PAGES + 1):
            reply = await ask(self._gate, self._door, wire.listing(model=model, page=page))
            ahead = _ahead(reply, self._clock.utcnow())
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


class Witness:
    """Confirms what a call said: that the task it names is the one of the lost request whose nonce is in its path.

    Args:
        door: asks.
        gate: says when.
        clock: time.
    """

    def __init__(self, door: Door, gate: Gate, clock: Clock) -> None:
        self._door = door
        self._gate = gate
        self._clock = clock

    async def settle(self, journal: Journal, entry: Entry, task_id: str) -> Step | None:
        """Look at the task, and write it down as that of an uncertain edit; None when it cannot be that.

        Raises:
            ServiceError, TransportFailed, UnexpectedReply: it could not be seen now; it may be later.
            JournalError: it could not be written.
        """
        attempt = await _attempt_of(journal, entry)
        if attempt is None:
            return None
        try:
            reply = await ask(self._gate, self._door, wire.look(task_id))
            task = wire.read_task(reply, task_id=task_id)
        except ServiceError as error:
            if not (isinstance(error, AccessDenied) or wire.is_task_unknown(error)):
                raise
            _log.warning("settle.no_such_task key=%s task_id=%s: %s", entry.key, task_id, error.message)
            return None
        now = self._clock.utcnow()
        wanted = Open(attempt.nonce, entry.edit.model, attempt.at + _ahead(reply, now))
        if not is_plausible(wanted, task) or not await _without_owned(journal, [task]):
            _log.warning("settle.not_its_task key=%s task_id=%s: a call named it", entry.key, task_id)
            return None
        answer = _acceptance(attempt, task, now, "named by a call, and confirmed")
        return await _written(journal, entry, attempt, answer)


async def _written(journal: Journal, entry: Entry, attempt: Attempt, answer: Answer) -> Step:
    step = move(
        entry,
        Status.pending,
        answer.at,
        reopening=True,
        task_id=answer.task_id,
        submitted_at=attempt.at,
        unfinished_at=attempt.at,
    )
    await journal.answer(answer, step.entry)
    _log.info("settle.found key=%s task_id=%s: %s", entry.key, answer.task_id, answer.detail)
    return step


def _acceptance(attempt: Attempt, task: Task, now: datetime, how: str) -> Answer:
    return Answer(attempt.nonce, Outcome.accepted, now, task.id, detail=how)


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
    if isinstance(journal, FindsTasks):
        known = await journal.known_tasks(strangers)
        return [task for name, task in strangers.items() if name not in known]
    async for entry in journal.entries():
        strangers.pop(entry.task_id or "", None)
        if entry.status in _OPEN:  # a late answer may be booked there
            for one in await journal.attempts(entry.key):
                strangers.pop(one.task_id or "", None)
    return list(strangers.values())


async def _attempt_of(journal: Journal, entry: Entry) -> Attempt | None:
    return next((one for one in await journal.attempts(entry.key) if one.nonce == entry.nonce), None)


def _ahead(reply: Reply, now: datetime) -> timedelta:
    """How far the service's clock is ahead, by the moment at which it answered (RFC 9110, section 6.6.1)."""
    return (read_date(reply.headers.get("date", "")) or now) - now
