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
    JournalError,
    OmniEditError,
    QuotaExhausted,
    RateLimited,
    ServiceUnavailable,
    SubmissionUncertain,
    TransportFailed,
    UnexpectedReply,
)
from omniedit.flow.record import OnUncertain, Record, commit
from omniedit.models import Answer, Entry, Outcome, Reply, Status, Task

__all__ = ["Bookkeeper", "uncertain"]

_log = logging.getLogger("omniedit.submit")
_REPLAYS = 3  # of one uncertain request, when told to replay
_TRIES_UNKNOWN_SERVICE = 4  # connection failures before the first answer ever: the address is probably wrong
_OUTAGE = 300.0  # seconds: how long a service that has answered before may be out of reach
_REFUSALS = 5  # of one edit for lack of room, and
_REFUSED_FOR = 120.0  # seconds of them without any acceptance, before the run is paused
_LONGEST_BACKOFF = 30.0  # seconds
_STOPPING = (AuthenticationFailed, AccessDenied, QuotaExhausted)


class Bookkeeper:
    """Books answers.

    Args:
        clock: time.
        jitter: numbers from 0 to 1.
        again: takes a record that is to be submitted once more, after so many seconds.
        settled: told what an edit reserved (credits), None when nothing was accepted.
        stopped: takes records of a run in which nothing more can be submitted, and why.
        on_accepted: takes records whose task is unfinished or done.
        on_ended: takes records that the engine is done with, and why.
    """

    def __init__(
        self,
        clock: Clock,
        jitter: Callable[[], float],
        *,
        again: Callable[[Record, float], None],
        settled: Callable[[Record, float | None], None],
        stopped: Callable[[Record, OmniEditError], None],
        on_accepted: Callable[[Record, Task], None],
        on_ended: Callable[[Record, OmniEditError | None], None],
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._again = again
        self._settled = settled
        self._stopped = stopped
        self._on_accepted = on_accepted
        self._on_ended = on_ended
        self._heard = False
        self._lost_since: float | None = None

    def heard(self) -> None:
        """The service answered something."""
        self._heard, self._lost_since = True, None

    def _backoff(self, first: float, tries: int) -> float:
        return min(first * 2.0 ** (tries - 1), _LONGEST_BACKOFF) * (0.75 + self._jitter() / 2)

    async def conclude(
        self, record: Record, verdict: Verdict, reply: Reply | None, silence: TransportFailed | None
    ) -> None:
        """Write down and show what one paid request came to, and decide what happens next.

        Raises:
            JournalError: it could not be written; `unwritten` is the last resort.
        """
        match verdict:
            case Accepted(task_id=task_id):
                await self._accept(record, task_id, reply)
            case Refused() as refused:
                self._settled(record, None)
                await self._refuse(record, refused, reply, silence)
            case Unknown(reason=reason):
                await self._leave_open(record, reason)

    async def _accept(self, record: Record, task_id: str, reply: Reply | None) -> None:
        now = self._clock.utcnow()
        task = _task_of(reply, task_id)
        step = move(
            record.entry,
            Status.pending,
            now,
            progress=task.progress,
            task_id=task_id,
            submitted_at=now,
            unfinished_at=now,
            credits_reserved=task.credits_reserved,
        )
        nonce = record.entry.nonce or ""
        await self._answer(record, Answer(nonce, Outcome.accepted, now, task_id), step.entry)
        record.refused_since, record.misses = None, 0
        record.entry, record.estimate, record.accepted_at = step.entry, task.estimated_time, self._clock.monotonic()
        record.looked_at = record.accepted_at
        record.tell(step.changes)
        self._settled(record, task.credits_reserved or 0.0)
        if task.status in {Status.pending, Status.processing}:
            await commit(record, observe(record.entry, record.progress, task, now))
        self._on_accepted(record, task)

    async def _refuse(
        self, record: Record, refused: Refused, reply: Reply | None, silence: TransportFailed | None
    ) -> None:
        now = self._clock.utcnow()
        error = silence or _refusal_of(record.entry, reply)
        final = silence is None and not refused.waits and not isinstance(error, _STOPPING)
        status = Status.rejected if final else Status.queued
        step = move(record.entry, status, now, error=error if final else None)
        nonce = record.entry.nonce or ""
        await self._answer(record, Answer(nonce, Outcome.refused, now, detail=refused.reason), step.entry)
        record.entry = step.entry
        record.tell(step.changes)
        if final:
            self._on_ended(record, error)
        elif isinstance(error, _STOPPING):
            self._stopped(record, error)
        elif silence is not None:
            self._after_silence(record, silence)
        else:
            self._after_refusal(record, error)

    def _after_silence(self, record: Record, error: TransportFailed) -> None:
        """The service cannot be reached: everybody waits a little, and not for ever."""
        now = self._clock.monotonic()
        self._lost_since = self._lost_since or now
        record.misses += 1
        enough = record.misses >= _TRIES_UNKNOWN_SERVICE if not self._heard else now - self._lost_since > _OUTAGE
        if enough or record.released:
            self._stopped(record, error)
            return
        self._again(record, self._backoff(0.5, record.misses))

    def _after_refusal(self, record: Record, error: OmniEditError) -> None:
        """No room: the gate decides when the next may go. A service that never has room pauses the run."""
        now = self._clock.monotonic()
        record.misses += 1
        record.refused_since = record.refused_since or now
        if record.misses >= _REFUSALS and now - record.refused_since >= _REFUSED_FOR:
            self._stopped(record, error)
        else:
            self._again(record, 0.0)

    async def _leave_open(self, record: Record, reason: str) -> None:
        now = self._clock.utcnow()
        nonce = record.entry.nonce or ""
        error = uncertain(record.entry, reason)
        step = move(record.entry, Status.uncertain, now, error=error)
        await self._answer(record, Answer(nonce, Outcome.unknown, now, detail=reason), step.entry)
        record.entry = step.entry
        record.tell(step.changes)
        self._settled(record, 0.0)
        record.misses += 1
        _log.warning("submit.uncertain key=%s nonce=%s reason=%s", record.key, nonce, reason)
        replay = record.run.on_uncertain == OnUncertain.replay and record.misses <= _REPLAYS and not record.released
        if not replay:
            self._on_ended(record, error)
            return
        self._again(record, self._backoff(1.0, record.misses))

    async def _answer(self, record: Record, answer: Answer, entry: Entry) -> None:
        """Write an answer down even while this work is being cancelled: it is the one thing that must not be lost."""
        writing = asyncio.ensure_future(record.run.journal.answer(answer, entry))
        while not writing.done():
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                continue
        writing.result()

    def unwritten(self, record: Record, verdict: Verdict, error: JournalError) -> None:
        """The journal failed after the answer: the last thing to do is to say the id aloud."""
        if isinstance(verdict, Accepted):
            error.task_id = verdict.task_id
        error.idempotency_key = record.entry.nonce
        _log.critical("journal.failed task_id=%s nonce=%s: %s", error.task_id, record.entry.nonce, error.message)
        self._settled(record, None)
        self._stopped(record, error)


def uncertain(entry: Entry, reason: str) -> SubmissionUncertain:
    """The error for an outcome that nobody knows."""
    return SubmissionUncertain(
        f"nobody knows whether the edit of {entry.edit.source} was accepted: {reason}",
        mend="look into the account's task list; to repeat with the same key use --on-uncertain replay",
        idempotency_key=entry.nonce,
    )


def _task_of(reply: Reply | None, task_id: str) -> Task:
    """The task in an acceptance. The id is what counts: the rest may be unreadable."""
    fallback = Task(task_id, Status.pending)
    if reply is None:
        return fallback
    try:
        return wire.read_task(reply, task_id=task_id)
    except UnexpectedReply as error:
        _log.warning("submit.odd_reply task_id=%s: %s", task_id, error.message)
        return fallback


def _refusal_of(entry: Entry, reply: Reply | None) -> OmniEditError:
    if reply is None:
        return RateLimited("refused", status=429)
    error = wire.refusal(reply, "submitting the edit", idempotency_key=entry.nonce)
    if isinstance(error, ServiceUnavailable | RateLimited):
        error.mend = "nothing was accepted; try again later"
    return error
