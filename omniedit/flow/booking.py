"""What a paid request came to, written down before anything else happens to it, and what follows from it.

Accepted: the id is durable, then the task is followed. Refused: sent again, or the edit ends, or the whole run stops.
Unknown: held for the user, or repeated with the same key when told to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from omniedit.api import wire
from omniedit.clock import Clock
from omniedit.core.certainty import Accepted, Refused, Unknown, Verdict
from omniedit.core.lifecycle import move, observe
from omniedit.errors import (
    AccessDenied,
    AuthenticationFailed,
    JournalBusy,
    JournalError,
    OmniEditError,
    QuotaExhausted,
    RateLimited,
    ServiceUnavailable,
    SubmissionUncertain,
    TransportFailed,
    UnexpectedReply,
)
from omniedit.flow.intent import OnUncertain, shown
from omniedit.flow.record import Record, commit
from omniedit.journal.base import Journal
from omniedit.models import Answer, Entry, Outcome, Reply, Status, Task

__all__ = ["Bookkeeper", "STOPPING", "uncertain"]

_log = logging.getLogger("omniedit.submit")
_REPLAYS = 3  # of one uncertain request, when told to replay
_TRIES_UNKNOWN_SERVICE = 4  # connection failures before the first answer ever: the address is probably wrong
_OUTAGE = 300.0  # seconds: how long a service that has answered before may be out of reach
_REFUSALS = 5  # of one edit for lack of room, and
_REFUSED_FOR = 120.0  # seconds of them without any acceptance, before the run is paused
_LONGEST_BACKOFF = 30.0  # seconds
_WRITING_AGAIN = (0.25, 0.5, 1.0, 2.0)  # seconds between tries to write the id of a paid task
_RECOGNISED = "the service recognised the key of an earlier request: its task, no new charge"
STOPPING = (AuthenticationFailed, AccessDenied, QuotaExhausted)


class Bookkeeper:
    """Books answers.

    Args:
        clock: time.
        jitter: numbers from 0 to 1.
        again: takes a record that is to be submitted once more, after so many seconds.
        freed: told that a budget may have room again.
        unfinished: how many tasks are unfinished at the service.
        stopped: takes records of a run in which nothing more can be submitted, and why.
        on_accepted: takes records whose task is unfinished or done.
        on_uncertain: takes records whose outcome nobody knows, and what to say of it.
        on_ended: takes records that the engine is done with, and why.
    """

    def __init__(
        self,
        clock: Clock,
        jitter: Callable[[], float],
        *,
        again: Callable[[Record, float], None],
        freed: Callable[[], None],
        unfinished: Callable[[], int],
        stopped: Callable[[Record, OmniEditError], None],
        on_accepted: Callable[[Record, Task], None],
        on_uncertain: Callable[[Record, OmniEditError], None],
        on_ended: Callable[[Record, OmniEditError | None], None],
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._again = again
        self._freed = freed
        self._unfinished = unfinished
        self._stopped = stopped
        self._on_accepted = on_accepted
        self._on_uncertain = on_uncertain
        self._on_ended = on_ended
        self._heard = False
        self._lost_since: float | None = None
        self._accepted_at = clock.monotonic()
        self._troubled = 0

    @property
    def troubled(self) -> bool:
        """Whether an answer waits that could not be written: nothing is paid for meanwhile."""
        return self._troubled > 0

    def heard(self) -> None:
        """The service answered something."""
        self._heard, self._lost_since = True, None

    def _backoff(self, first: float, tries: int) -> float:
        return min(first * 2.0 ** (tries - 1), _LONGEST_BACKOFF) * (0.75 + self._jitter() / 2)

    async def conclude(self, record: Record, verdict: Verdict, said: Reply | TransportFailed) -> None:
        """Write down and show what one paid request came to, and decide what happens next.

        Raises:
            JournalError: it could not be written; `unwritten` is the last resort.
        """
        match verdict:
            case Accepted(task_id=task_id, replayed=replayed):
                await self._accept(record, _task_of(said, task_id), replayed=replayed)
            case Refused() as refused:
                await self._refuse(record, refused, said)
            case Unknown() as unknown:
                await self._leave_open(record, unknown)

    async def _accept(self, record: Record, task: Task, *, replayed: bool) -> None:
        now = self._clock.utcnow()
        step = move(
            record.entry,
            Status.pending,
            now,
            progress=task.progress,
            task_id=task.id,
            submitted_at=now,
            unfinished_at=record.entry.at,  # when the request left: its answer may have lain unread for long
            credits_reserved=task.credits_reserved,
        )
        nonce = record.entry.nonce or ""
        detail = _RECOGNISED if replayed else None
        await self._answer(record, Answer(nonce, Outcome.accepted, now, task.id, detail), step.entry)
        record.refused_since, record.misses, record.fresh = None, 0, True
        record.entry, record.estimate, record.accepted_at = step.entry, task.estimated_time, self._clock.monotonic()
        record.looked_at = self._accepted_at = record.accepted_at
        record.tell(step.changes)
        record.run.budget.settle(record.key, task.credits_reserved)
        self._freed()
        if task.status in {Status.pending, Status.processing}:
            await commit(record, observe(record.entry, record.progress, task, now))
        self._on_accepted(record, task)

    async def _refuse(self, record: Record, refused: Refused, said: Reply | TransportFailed) -> None:
        now = self._clock.utcnow()
        error = said if isinstance(said, TransportFailed) else _refusal_of(record.entry, said)
        final = refused.left and not refused.waits and not isinstance(error, STOPPING)
        status = Status.rejected if final else Status.queued
        step = move(record.entry, status, now, error=error if final else None)
        nonce = record.entry.nonce or ""
        await self._answer(record, Answer(nonce, Outcome.refused, now, detail=refused.reason), step.entry)
        record.entry = step.entry
        record.tell(step.changes)
        record.run.budget.withdraw(record.key)
        self._freed()
        if final:
            self._on_ended(record, error)
        elif isinstance(error, STOPPING):
            self._stopped(record, error)
        elif isinstance(error, TransportFailed):
            self.after_silence(record, error)
        else:
            self._after_refusal(record, error)

    def after_silence(self, record: Record, error: TransportFailed) -> None:
        """The service cannot be reached: the record waits a little, and not for ever."""
        now = self._clock.monotonic()
        self._lost_since = self._lost_since or now
        record.misses += 1
        enough = record.misses >= _TRIES_UNKNOWN_SERVICE if not self._heard else now - self._lost_since > _OUTAGE
        if enough and not record.released:
            self._stopped(record, error)
        else:
            self._again(record, self._backoff(0.5, record.misses))

    def _after_refusal(self, record: Record, error: OmniEditError) -> None:
        """No room: the gate decides when the next may go. A service that never has room pauses the run."""
        if self._is_hopeless(record):
            self._stopped(record, error)
        else:
            self._again(record, 0.0)

    def _is_hopeless(self, record: Record) -> bool:
        """Refused for long, while nobody was accepted and no task was under way whose end would make room."""
        now = self._clock.monotonic()
        record.misses += 1
        record.refused_since = record.refused_since or now
        waited = now - max(record.refused_since, self._accepted_at)
        return record.misses >= _REFUSALS and waited >= _REFUSED_FOR and not self._unfinished()

    async def _leave_open(self, record: Record, unknown: Unknown) -> None:
        now = self._clock.utcnow()
        nonce = record.entry.nonce or ""
        error = uncertain(record.entry, unknown.reason)
        step = move(record.entry, Status.uncertain, now, error=error)
        await self._answer(record, Answer(nonce, Outcome.unknown, now, detail=unknown.reason), step.entry)
        record.entry = step.entry
        record.tell(step.changes)
        record.run.budget.leave_open(record.key)
        self._freed()
        _log.warning("submit.uncertain key=%s nonce=%s reason=%s", record.key, nonce, unknown.reason)
        if record.run.on_uncertain == OnUncertain.replay and unknown.again and not record.released:
            self._replay(record, unknown, error)
        else:
            self._on_uncertain(record, error)

    def _replay(self, record: Record, unknown: Unknown, error: OmniEditError) -> None:
        """Repeat an uncertain request, a few times; a repeat that only found no room does not count."""
        record.replays += not unknown.waits
        if record.replays > _REPLAYS or (unknown.waits and self._is_hopeless(record)):
            self._on_uncertain(record, error)
        else:
            self._again(record, 0.0 if unknown.waits else self._backoff(1.0, record.replays))

    async def _answer(self, record: Record, answer: Answer, entry: Entry) -> None:
        """Write an answer down even while this work is being cancelled: it is the one thing that must not be lost."""
        writing = asyncio.ensure_future(self._written(record.run.journal, answer, entry))
        while not writing.done():
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                continue
        writing.result()

    async def _written(self, journal: Journal, answer: Answer, entry: Entry) -> None:
        """Try a few times: a disk that is full for a moment must not cost the id of a paid task."""
        for pause in _WRITING_AGAIN if answer.outcome is Outcome.accepted else ():
            try:
                await journal.answer(answer, entry)
            except JournalBusy:  # the answer is booked; the edit is another process's by now
                raise
            except JournalError as error:
                _log.warning("journal.failing task_id=%s nonce=%s: %s", answer.task_id, answer.nonce, error.message)
            else:
                return
            self._troubled += 1
            try:
                await self._clock.sleep(pause)
            finally:
                self._troubled -= 1
                self._freed()
        await journal.answer(answer, entry)

    def unwritten(self, record: Record, verdict: Verdict, error: JournalError) -> None:
        """The journal failed after the answer: the last thing to do is to say the id aloud."""
        if isinstance(verdict, Accepted):
            error.task_id = verdict.task_id
        error.idempotency_key = record.entry.nonce
        _log.critical("journal.failed task_id=%s nonce=%s: %s", error.task_id, record.entry.nonce, error.message)
        record.run.budget.leave_open(record.key)
        self._stopped(record, error)
        self._freed()


def uncertain(entry: Entry, reason: str) -> SubmissionUncertain:
    """The error for an outcome that nobody knows."""
    return SubmissionUncertain(
        f"nobody knows whether the edit of {shown(entry.edit.source)} was accepted: {reason}",
        mend="look into the account's task list; to repeat with the same key use --on-uncertain replay",
        idempotency_key=entry.nonce,
    )


def _task_of(said: Reply | TransportFailed, task_id: str) -> Task:
    """The task in an acceptance. The id is what counts: the rest may be unreadable."""
    try:
        if isinstance(said, Reply):
            return wire.read_task(said, task_id=task_id)
    except UnexpectedReply as error:
        _log.warning("submit.odd_reply task_id=%s: %s", task_id, error.message)
    return Task(task_id, Status.pending)


def _refusal_of(entry: Entry, reply: Reply) -> OmniEditError:
    error = wire.refusal(reply, "submitting the edit", idempotency_key=entry.nonce)
    if isinstance(error, ServiceUnavailable | RateLimited):
        error.mend = "nothing was accepted; try again later"
    return error
