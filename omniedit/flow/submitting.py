"""The paid request: checked, hosted, through the gate, written down, sent once, answered, written down.

The order is the promise. The intent is durable before the request leaves; a task id is durable before anything else
happens to it. From the intent on the work is shielded: whoever cancels waits for the answer, or for the grace to end,
and then the outcome is written down as unknown. Only what is certain not to have been accepted is sent again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

from omniedit.api import wire
from omniedit.api.client import Departure, Door
from omniedit.api.gate import Gate, Lane, Turn
from omniedit.changes import Transfer
from omniedit.clock import Clock
from omniedit.core.certainty import Accepted, Refused, Silent, Verdict, after_replay, judge
from omniedit.core.lifecycle import move
from omniedit.core.money import Room
from omniedit.core.polling import DueQueue
from omniedit.errors import (
    BudgetExhausted,
    JournalError,
    OmniEditError,
    RateLimited,
    TransportFailed,
)
from omniedit.flow.alarm import Alarm
from omniedit.flow.booking import STOPPING, Bookkeeper
from omniedit.flow.crew import Crew
from omniedit.flow.intent import intent_of, new_nonce
from omniedit.flow.record import Record, commit, defect
from omniedit.flow.sources import Clip
from omniedit.journal.base import Journal
from omniedit.models import Edit, Reply, Status, Task

__all__ = ["Clip", "Resolver", "Submitter"]

_log = logging.getLogger("omniedit.submit")
_WORKERS = 24


class Resolver(Protocol):
    """Checks a source and makes it reachable."""

    async def resolve(
        self, edit: Edit, memory: Journal | None = None, *, on_upload: Callable[[int, int], None] | None = None
    ) -> Clip:
        """The clip behind an edit; raises `InvalidEdit`, `HostingFailed` or `TransportFailed`."""
        ...


class Submitter:
    """Takes queued records, and hands them on with a task id.

    Args:
        door: sends the request.
        gate: says when.
        resolver: checks and hosts sources.
        clock: time.
        jitter: numbers from 0 to 1.
        grace: seconds that a cancelled request is waited for.
        callback_of: makes the callback address from a nonce; None without callbacks.
        on_accepted: takes records whose task is unfinished or done.
        on_uncertain: takes records of which nobody knows whether they were accepted, and what to say of it.
        on_ended: takes records that the engine is done with, and why.
    """

    def __init__(
        self,
        door: Door,
        gate: Gate,
        resolver: Resolver,
        clock: Clock,
        jitter: Callable[[], float],
        *,
        grace: float,
        callback_of: Callable[[str], str] | None,
        on_accepted: Callable[[Record, Task], None],
        on_uncertain: Callable[[Record, OmniEditError], None],
        on_ended: Callable[[Record, OmniEditError | None], None],
    ) -> None:
        self._door = door
        self._gate = gate
        self._resolver = resolver
        self._clock = clock
        self._grace = grace
        self._callback_of = callback_of
        self._on_ended = on_ended
        self._queue: deque[Record] = deque()
        self._resting: DueQueue[Record] = DueQueue()
        self._alarm = Alarm(clock, self._wake)
        self._waiting_for_budget: list[Record] = []
        self._paying: dict[Record, asyncio.Task[None]] = {}
        self._crew = Crew(_WORKERS, self._take, self._work, self._broke)
        self._closed = False
        self._books = Bookkeeper(
            clock,
            jitter,
            again=self._again,
            freed=self._reconsider,
            unfinished=lambda: gate.statistics().submit.level,
            stopped=self._stop,
            on_accepted=on_accepted,
            on_uncertain=on_uncertain,
            on_ended=on_ended,
        )

    @property
    def backlog(self) -> int:
        """Records that wait to be submitted."""
        return len(self._queue) + len(self._resting) + self._crew.busy + len(self._waiting_for_budget)

    def add(self, record: Record, *, first: bool = False) -> None:
        """Queue a record; `first` puts it back where it came from."""
        if self._closed:
            return
        if first:
            self._queue.appendleft(record)
        else:
            self._queue.append(record)
        self._crew.nudge()

    def _again(self, record: Record, delay: float) -> None:
        self._resting.push(record, self._clock.monotonic() + delay)
        self._wake()

    def _wake(self) -> None:
        """Whose rest is over goes first; one timer for all who still rest."""
        for record in self._resting.pop_due(self._clock.monotonic()):
            self.add(record, first=True)
        due = self._resting.next_due()
        if due is not None:
            self._alarm.set(due)

    def _take(self) -> Record | None:
        while self._queue and not self._books.troubled:
            record = self._queue.popleft()
            if record.released:
                continue
            if record.run.holding:
                record.run.held.append(record)
            elif record.run.stopped is not None and record.entry.status != Status.uncertain:
                self._on_ended(record, record.run.stopped)
            else:
                return record
        return None

    async def _work(self, record: Record) -> None:
        try:
            clip = await self._prepared(record)
        except (JournalError, RateLimited, *STOPPING) as error:
            self._stop(record, error)
            return
        except TransportFailed as error:
            self._books.after_silence(record, error)
            return
        except OmniEditError as error:
            await self._reject(record, error)
            return
        if self._has_budget(record, clip):
            await self._pay_in_turn(record, clip)

    async def _prepared(self, record: Record) -> Clip:
        entry = record.entry
        if entry.video_url is not None and entry.nonce is not None:
            return Clip(entry.video_url, record.seconds)  # the same request again: it must have the same bytes
        tell = record.run.on_transfer

        def on_upload(sent: int, size: int) -> None:
            if record.entry.status == Status.queued:
                step = move(record.entry, Status.uploading, self._clock.utcnow())
                record.entry = step.entry
                record.tell(step.changes)
            if tell is not None:
                tell(Transfer(entry.edit, Status.uploading, sent, size))

        clip = await self._resolver.resolve(entry.edit, record.run.journal, on_upload=on_upload)
        record.seconds = clip.seconds
        return clip

    async def _reject(self, record: Record, error: OmniEditError) -> None:
        try:
            await commit(record, move(record.entry, Status.rejected, self._clock.utcnow(), error=error))
        except JournalError as failure:
            self._stop(record, failure)
            return
        self._on_ended(record, error)

    def _broke(self, record: Record) -> None:
        record.run.budget.leave_open(record.key)
        self._on_ended(record, defect(record))
        self._reconsider()

    def _stop(self, record: Record, error: OmniEditError) -> None:
        if record.entry.status == Status.uploading:
            step = move(record.entry, Status.queued, self._clock.utcnow())
            record.entry = step.entry
            record.tell(step.changes)
        record.run.stop(error)
        self._on_ended(record, error)

    # --- money --------------------------------------------------------------------------------------------------

    def _has_budget(self, record: Record, clip: Clip) -> bool:
        budget = record.run.budget
        match budget.take(record.key, clip.seconds, record.entry.edit.prompt):
            case Room.taken:
                return True
            case Room.wait:
                self._waiting_for_budget.append(record)
            case Room.none:
                error = BudgetExhausted(
                    f"the next edit would pass max_credits={budget.limit:g}; {budget.committed:g} are reserved",
                    mend="raise --max-credits and run the same again: what is saved is skipped",
                )
                self._stop(record, error)
                self._reconsider()
        return False

    def _give_back(self, record: Record) -> None:
        """The request did not leave; an uncertain one may still have been accepted the first time."""
        budget = record.run.budget
        (budget.leave_open if record.entry.status == Status.uncertain else budget.withdraw)(record.key)
        self._reconsider()

    def _reconsider(self) -> None:
        waiting, self._waiting_for_budget = self._waiting_for_budget, []
        for record in reversed(waiting):
            self._queue.appendleft(record)
        if self._queue:
            asyncio.get_running_loop().call_soon(self._crew.nudge)

    # --- the request --------------------------------------------------------------------------------------------

    async def _pay_in_turn(self, record: Record, clip: Clip) -> None:
        try:
            turn = await self._gate.enter(Lane.SUBMIT)
        except asyncio.CancelledError:
            self._give_back(record)
            raise
        if self._is_withdrawn(record) or self._books.troubled:
            turn.unused()
            self._give_back(record)
            self.add(record, first=True)
            return
        task = asyncio.get_running_loop().create_task(self._pay(record, clip, turn))
        self._paying[record] = task
        try:
            await asyncio.shield(task)
        finally:
            if task.done():
                self._paying.pop(record, None)
            else:
                task.add_done_callback(lambda _: self._paying.pop(record, None))

    def _is_withdrawn(self, record: Record) -> bool:
        run = record.run
        stopped = run.stopped is not None and record.entry.status != Status.uncertain
        return record.released or run.holding or stopped

    async def _pay(self, record: Record, clip: Clip, turn: Turn) -> None:
        replaying = record.entry.status == Status.uncertain
        with turn:
            try:
                await self._intend(record, clip)
            except JournalError as error:
                turn.unused()
                self._give_back(record)
                self._stop(record, error)
                return
            verdict, said = await self._send(record, turn)
        if replaying:
            verdict = after_replay(verdict)
        try:
            await self._books.conclude(record, verdict, said)
        except JournalError as error:
            self._books.unwritten(record, verdict, error)
        except Exception as error:  # noqa: BLE001 - the id of a paid task is said, and no more are paid for, whatever broke
            _log.exception("submit.unbooked; this is a defect of omniedit, or of a journal of yours")
            self._books.unwritten(record, verdict, JournalError(f"the answer was not booked: {type(error).__name__}"))

    async def _intend(self, record: Record, clip: Clip) -> None:
        entry = record.entry
        nonce = entry.nonce or new_nonce()
        callback = entry.edit.callback_url
        if callback is None and self._callback_of is not None:
            callback = entry.callback_url or self._callback_of(nonce)
        step = move(
            entry,
            Status.submitting,
            self._clock.utcnow(),
            reopening=True,
            nonce=nonce,
            video_url=clip.url,
            callback_url=callback,
        )
        await record.run.journal.intend(step.entry)
        record.entry = step.entry
        record.tell(step.changes)

    async def _send(self, record: Record, turn: Turn) -> tuple[Verdict, Reply | TransportFailed]:
        """One POST; what is certain after it, and the gate told."""
        departure = Departure()
        try:
            reply = await self._door.submit(intent_of(record.entry), departure)
        except TransportFailed as error:
            silence = error
        except asyncio.CancelledError:
            silence = _silence("cancelled before the answer came", departure)
        except Exception as error:  # noqa: BLE001 - whatever happened, what has left may have been accepted
            _log.exception("submit.failed; this is a defect of omniedit, please report it")
            silence = _silence(type(error).__name__, departure)
        else:
            return self._heard(record, turn, reply), reply
        turn.lost()
        return judge(Silent(silence.sent, silence.message)), silence

    def _heard(self, record: Record, turn: Turn, reply: Reply) -> Verdict:
        self._books.heard()
        verdict = judge(wire.answered(reply))
        match verdict:
            case Accepted():
                turn.accepted(reply.headers)
                record.counted = True
            case Refused(waits=True):
                turn.refused(reply.headers)
            case _:
                turn.answered(reply.headers)
        return verdict

    # --- leaving ------------------------------------------------------------------------------------------------

    async def release(self, record: Record) -> None:
        """Stop the work on one record; a paid request under way is waited for, at most for the grace.

        `record.released` must be set before.
        """
        if record in self._waiting_for_budget:
            self._waiting_for_budget.remove(record)
        if record not in self._paying:
            await self._crew.drop(record)
        await self._wait_for([self._paying[record]] if record in self._paying else [])

    async def close(self) -> None:
        """Stop all work; paid requests under way are waited for, at most for the grace."""
        self._closed = True
        self._queue.clear()
        self._waiting_for_budget.clear()
        await self._crew.close()
        await self._wait_for(list(self._paying.values()))
        await self._alarm.close()

    async def _wait_for(self, paying: list[asyncio.Task[None]]) -> None:
        if not paying:
            return
        _, late = await asyncio.wait(paying, timeout=self._grace)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)


def _silence(reason: str, departure: Departure) -> TransportFailed:
    failure = TransportFailed(reason)
    failure.sent = departure.left
    return failure
