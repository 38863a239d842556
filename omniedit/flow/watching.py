"""Looking at tasks when they are likely to be done: a due queue and a few workers, nothing else waits.

A look never decides more than `core.lifecycle.observe` says. Refusals, silence and unreadable answers only move the
next look; what ends the watching is the task's own end, the key being refused, the service's word that it knows no such
task, or the deadline. That a bulk look does not name a task says nothing: it is looked at alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

import attrs

from omniedit.api import wire
from omniedit.api.client import Door
from omniedit.api.gate import Gate, Lane, Turn
from omniedit.clock import Clock
from omniedit.core.lifecycle import NO_RESULTS, error_of, mend_of, move, observe
from omniedit.core.patience import Patience
from omniedit.core.polling import Belief, BulkPolicy, DueQueue, Look, keep_reading
from omniedit.errors import (
    AccessDenied,
    AuthenticationFailed,
    InvalidRequest,
    JournalError,
    OmniEditError,
    ServiceUnavailable,
    TaskFailed,
    TransportFailed,
    UnexpectedReply,
)
from omniedit.flow.alarm import Alarm
from omniedit.flow.asking import report
from omniedit.flow.crew import Crew
from omniedit.flow.record import Record, commit, defect, linked, take
from omniedit.flow.trust import CallbackTrust
from omniedit.flow.unseen import SOON, count, note, overdue, pause_after, vanished
from omniedit.models import Status, Task

__all__ = ["Watcher"]

_log = logging.getLogger("omniedit.watch")
_WORKERS = 32
_HINT_PAUSE = 1.0  # seconds between two looks at one task that callbacks bring about
_MOST_MISSING = 6  # looks in a row that find no such task: a new id may not be known everywhere at once
_NO_BULK_LOOK = (InvalidRequest, AccessDenied, UnexpectedReply)  # one odd task would hide the others for ever
_CONCURRENCY_CODES = frozenset({"quota_exceeded", "resource_exhausted"})

Bundle = tuple[Record, ...]


class Watcher:
    """Follows accepted tasks until they end.

    Args:
        door: asks.
        gate: says when.
        clock: time.
        belief: learns how long tasks take.
        patience: bounds on one task, in seconds.
        trust: whether the service's calls come, so that looks are only a safety net.
        on_completed: takes records whose result can be fetched.
        on_ended: takes records that the engine is done with, and why.
    """

    def __init__(
        self,
        door: Door,
        gate: Gate,
        clock: Clock,
        *,
        belief: Belief,
        patience: Patience,
        trust: CallbackTrust,
        on_completed: Callable[[Record], None],
        on_ended: Callable[[Record, OmniEditError | None], None],
    ) -> None:
        self._door = door
        self._gate = gate
        self._clock = clock
        self._belief = belief
        self._patience = patience
        self._trust = trust
        self._on_completed = on_completed
        self._on_ended = on_ended
        self._due: DueQueue[Record] = DueQueue()
        self._bulk = BulkPolicy()
        self._alone: deque[Record] = deque()
        self._crew: Crew[Bundle] = Crew(_WORKERS, self._take, self._work, self._broke)
        self._alarm = Alarm(clock, self._wake)
        self._closed = False
        self.looks = 0
        """HTTP requests made to look at tasks."""
        self.ended = 0
        """Tasks seen to end."""
        self.lag = 0.0
        """Sum over ended tasks of half the time between the last two looks: the expected lag, in seconds."""

    @property
    def parked(self) -> int:
        """Records that wait for their next look."""
        return len(self._due)

    def add(self, record: Record, task: Task | None = None) -> None:
        """Follow a record; `task` is what the submission's reply said of it."""
        if self._closed:
            return
        now = self._clock.monotonic()
        if task is None or _over(task.status):
            self._park(record, now)
        else:
            first = self._belief.first_look(record.estimate, callback_expected=self._trust.expects(record))
            self._park(record, now + max(first, SOON))

    def look_now(self, record: Record) -> None:
        """A callback says that a look is worth it. A storm of them brings no more than one look a second."""
        now = self._clock.monotonic()
        if record.called_at is not None and now - record.called_at < _HINT_PAUSE:
            return
        record.called_at = now
        self._trust.came()
        if record.place is not None:
            record.place = self._due.reschedule(record.place, now)
            self._arm()

    def release(self, record: Record) -> None:
        """Follow a record no more."""
        if record.place is not None:
            self._due.remove(record.place)
            record.place = None

    async def close(self) -> None:
        """Stop all looks."""
        self._closed = True
        await self._alarm.close()
        await self._crew.close()

    # --- when ---------------------------------------------------------------------------------------------------

    def _park(self, record: Record, due: float) -> None:
        record.place = self._due.push(record, due)
        self._arm()

    def _arm(self) -> None:
        """One timer for all: it wakes the crew when the first record is due."""
        due = self._due.next_due()
        if due is not None:
            self._alarm.set(due)

    def _wake(self) -> None:
        self._crew.nudge()
        if self._crew.busy < self._crew.size:
            self._arm()

    def _take(self) -> Bundle | None:
        if self._alone:
            return (self._alone.popleft(),)
        now = self._clock.monotonic()
        soon = self._due.count_due(now + BulkPolicy.WITHIN, BulkPolicy.MOST) if self._bulk.enabled else 0
        many = self._bulk.size(soon)
        records = self._due.pop_due(now + BulkPolicy.WITHIN if many else now, max(many, 1))
        for record in records:
            record.place = None
        if not records:
            self._arm()
            return None
        return tuple(records)

    # --- looking ------------------------------------------------------------------------------------------------

    async def _work(self, bundle: Bundle) -> None:
        turn = await self._gate.enter(Lane.POLL)
        bundle = tuple(record for record in bundle if not record.released)
        with turn:
            if not bundle:
                turn.unused()
                return
            self.looks += 1
            if len(bundle) == 1:
                await self._look_at_one(bundle[0], turn)
            else:
                await self._look_at_many(bundle, turn)

    async def _look_at_one(self, record: Record, turn: Turn) -> None:
        task_id = record.entry.task_id or ""
        try:
            reply = await self._door.ask(wire.look(task_id))
            report(turn, reply)
            task = wire.read_task(reply, task_id=task_id)
        except OmniEditError as error:
            await self._unseen(record, error)
        else:
            self._bulk.read_alone()
            await self._seen(record, task)

    def _broke(self, bundle: Bundle) -> None:
        for record in bundle:
            self._on_ended(record, defect(record))

    async def _look_at_many(self, bundle: Bundle, turn: Turn) -> None:
        by_id = {record.entry.task_id or "": record for record in bundle}
        try:
            reply = await self._door.ask(wire.looks(list(by_id)))
            report(turn, reply)
            self._bulk.answered(reply.status)
            tasks = wire.read_tasks(reply)
        except OmniEditError as error:
            await self._bulk_failed(bundle, error)
            return
        now, at = self._clock.monotonic(), self._clock.utcnow()
        named = [(record, tasks[task_id]) for task_id, record in by_id.items() if task_id in tasks]
        self._bulk.left_out(len(by_id) - len(named), len(by_id))
        self._look_alone([record for task_id, record in by_id.items() if task_id not in tasks])
        news = [(record, task) for record, task in named if not self._still(record, task, now, at)]
        if not news:
            return
        # Together, so that what they write is one commit: one after the other they would wait for fifty.
        async with asyncio.TaskGroup() as together:
            for record, task in news:
                together.create_task(self._seen(record, task))

    def _look_alone(self, records: Sequence[Record]) -> None:
        """Look at each by itself, now."""
        self._alone.extend(records)
        self._crew.nudge()

    def _still(self, record: Record, task: Task, now: float, at: datetime) -> bool:
        """Take in a look that finds a task where it was, which most do: nothing is written, so nobody has to wait."""
        if record.released or task.status != record.entry.status or _over(task.status):
            return False
        self._found(record)
        take(record, observe(record.entry, record.progress, task, at, unfinished_at=record.unfinished_at))
        self._go_on(record, task, now, at)
        return True

    def _found(self, record: Record) -> None:
        record.misses = record.missing = 0
        record.looks += 1

    async def _bulk_failed(self, bundle: Bundle, error: OmniEditError) -> None:
        """Where the bulk call itself is refused, look one by one; anything else is a miss of all.

        One is looked at alone even then: where that works again and again, it is the bulk call that is out of order.
        """
        if isinstance(error, _NO_BULK_LOOK):
            _log.info("watch.no_bulk_call: %s", error.message)
            self._bulk = BulkPolicy(enabled=False)
            self._look_alone(bundle)
            return
        if isinstance(error, ServiceUnavailable | TransportFailed):
            self._bulk.failed()
            self._look_alone(bundle[:1])
            bundle = bundle[1:]
        for record in bundle:
            await self._unseen(record, error)

    async def _seen(self, record: Record, task: Task) -> None:
        try:
            await self._take_in(record, task)
        except JournalError as error:
            record.run.stop(error)
            self._on_ended(record, error)

    async def _take_in(self, record: Record, task: Task) -> None:
        now, at = self._clock.monotonic(), self._clock.utcnow()
        self._found(record)
        if record.released:
            return
        before, reserved = record.entry.status, record.entry.credits_reserved
        await self._observe(record, task, at)
        if record.entry.status in {Status.failed, Status.cancelled} and not record.entry.credits:
            record.run.budget.refund(reserved or 0.0, fresh=record.fresh)
        if _over(record.entry.status):
            self._learn(record, now, fresh=before != record.entry.status)
        else:
            self._go_on(record, task, now, at)

    def _go_on(self, record: Record, task: Task, now: float, at: datetime) -> None:
        """Watch on a task that was seen unfinished, unless it had its time."""
        record.unfinished_at = at
        if now - record.accepted_at >= self._deadline(record, now):
            self._give_up(record)
        else:
            self._plan(record, task, now)

    async def _observe(self, record: Record, task: Task, at: datetime) -> None:
        step = observe(record.entry, record.progress, task, at, unfinished_at=record.unfinished_at)
        if step.entry.status == Status.completed and not task.results:
            error = TaskFailed(
                "the task is completed, but the service names no result",
                code=NO_RESULTS,
                task_id=task.id,
                mend=mend_of(NO_RESULTS),
            )
            record.entry = step.entry
            record.tell(step.changes)
            step = move(record.entry, Status.failed, at, error=error)
        elif step.entry.status == Status.completed:
            step = attrs.evolve(step, entry=linked(step.entry, task.results[0], at))
        await commit(record, step)

    def _learn(self, record: Record, now: float, *, fresh: bool) -> None:
        self.ended += 1
        called = record.called_at is not None
        self.lag += now - record.called_at if record.called_at is not None else (now - record.looked_at) / 2
        if fresh and self._trust.expects(record, learning=True):
            self._belief.callback(came=called)
            self._trust.ended(called=called)
        if fresh and record.accepted_at:
            lower, upper = record.looked_at - record.accepted_at, now - record.accepted_at
            self._belief.finished(record.estimate, lower, upper, record.readings)
        self.uncount(record, refused=record.entry.error_code in _CONCURRENCY_CODES)
        if record.entry.status == Status.completed:
            self._on_completed(record)
        else:
            self._on_ended(record, error_of(record.entry))

    def uncount(self, record: Record, *, refused: bool = False) -> None:
        """The task of a record no longer takes up room at the service."""
        if record.counted:
            record.counted = False
            self._gate.finished(refused=refused)

    def _plan(self, record: Record, task: Task, now: float) -> None:
        look = Look(
            elapsed=max(now - record.accepted_at, 0.0),
            estimate=record.estimate,
            progress=task.progress,
            callback_expected=self._trust.expects(record),
        )
        record.readings = keep_reading(record.readings, look)
        called_meanwhile = record.called_at is not None and record.called_at >= record.looked_at
        record.looked_at = now
        after = SOON if called_meanwhile else self._belief.next_look(look) - look.elapsed
        self._park(record, now + max(after, SOON))

    def _deadline(self, record: Record, now: float) -> float:
        if record.entry.status.known:
            record.unknown_since = None
        elif record.unknown_since is None:
            record.unknown_since = now - record.accepted_at
        return self._patience.deadline(record.unknown_since)

    def _give_up(self, record: Record) -> None:
        self.uncount(record)
        self._on_ended(record, overdue(record, self._clock.monotonic() - record.accepted_at))

    async def _unseen(self, record: Record, error: OmniEditError) -> None:
        """A look that showed nothing: the next one comes later, unless there is no sense in one."""
        count(record, error)
        now = self._clock.monotonic()
        if record.released:
            return
        late = now - record.accepted_at >= self._deadline(record, now)
        if isinstance(error, AuthenticationFailed):
            record.run.stop(error)
            self._on_ended(record, error)
        elif record.missing >= _MOST_MISSING or (record.missing and late):
            await self._vanished(record, vanished(record, error))
        elif late:
            self._give_up(record)
        else:
            note(record, error)
            self._park(record, now + pause_after(error, record.misses))

    async def _vanished(self, record: Record, gone: TaskFailed) -> None:
        try:
            await commit(record, move(record.entry, Status.failed, self._clock.utcnow(), error=gone))
        except JournalError as failure:
            record.run.stop(failure)
        self.uncount(record)
        self._on_ended(record, gone)


def _over(status: Status) -> bool:
    """Whether the service is done with a task."""
    return status.terminal or status == Status.completed
