"""The gate: where requests wait until the governor lets them leave.

A thin asyncio shell around `omniedit.core.governor`, one governor per lane. Within a priority turns are given first
come, first served; urgent waiters go first, but leave every fourth turn to the others. However many wait, a lane keeps
one timer and wakes one waiter per turn. A cancelled waiter gives its turn back. Time spent here is spent before a
request exists, so it never counts against an HTTP timeout.

A gate belongs to one event loop, and goes with its last client. A pause that the service has asked for does not: it
holds for all clients of the key in this process, those of other loops and later ones.
"""

from __future__ import annotations

import asyncio
import random
from asyncio import Future
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from math import inf
from types import TracebackType
from typing import TYPE_CHECKING, Self
from weakref import WeakKeyDictionary, WeakValueDictionary

from attrs import evolve

from omniedit.clock import Clock, SystemClock
from omniedit.core.governor import Decision, Go, Governor, Lane, Sent, WaitUntil
from omniedit.core.ratehints import read_hint

if TYPE_CHECKING:
    from omniedit.api.statistics import GateStatistics, LaneStatistics

__all__ = ["Gate", "Lane", "Turn", "shared_gate"]

_NO_HEADERS: Mapping[str, str] = {}
_UPLOADS = 4  # at once: they share one uplink, and a refused one has sent its bytes for nothing
_URGENT_IN_A_ROW = 3  # while others wait, so that nobody waits for ever
_KEYS = 64  # of which asked pauses are remembered; beyond them the one goes whose gate was made first


class _Asked:
    """Until when (s) the service has asked one lane of a key to wait, whichever gate was told."""

    __slots__ = ("until",)

    def __init__(self) -> None:
        self.until = -inf


class Gate:
    """One key's way to the service.

    `max_rate` bounds submits per second and `max_in_flight` unfinished tasks; what is not stated is learned.
    `retry_after_cap` (s) is the longest a `Retry-After` is believed. `jitter` returns numbers from 0 to 1.
    `asked` is what other gates of the key were asked.
    """

    def __init__(
        self,
        *,
        max_rate: float | None = None,
        max_in_flight: int | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
        retry_after_cap: float = 3600.0,
        asked: Mapping[Lane, _Asked] | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        now = self._clock.monotonic()
        submit = Governor(now, max_rate=max_rate, max_tasks=max_in_flight, retry_after_cap=retry_after_cap)
        poll = Governor(now, retry_after_cap=retry_after_cap)
        upload = Governor(now, max_requests=_UPLOADS, retry_after_cap=retry_after_cap)
        asked = asked or _asked_of_nobody()
        self._queues = {
            Lane.SUBMIT: _Queue(submit, self._clock, jitter, asked[Lane.SUBMIT], makes_tasks=True, follower=poll),
            Lane.POLL: _Queue(poll, self._clock, jitter, asked[Lane.POLL]),
            Lane.UPLOAD: _Queue(upload, self._clock, jitter, asked[Lane.UPLOAD]),
        }

    def enter(self, lane: Lane, *, urgent: bool = False) -> Coroutine[None, None, Turn]:
        """Wait for a turn in a lane. Cancelling the wait gives the turn to the next waiter.

        Exactly one method of the turn must be called with what became of the request; leaving its `with` block
        without having done so counts as `lost`.
        """
        return self._queues[lane].enter(urgent=urgent)

    def finished(self, *, refused: bool = False) -> None:
        """An unfinished task ended; `refused` says that it failed for a limit, as `quota_exceeded` does."""
        self._queues[Lane.SUBMIT].finished(refused=refused)

    def adopt(self, tasks: int) -> None:
        """That many tasks are unfinished already, from an earlier run."""
        self._queues[Lane.SUBMIT].governor.adopt(tasks)

    def restrict(self, *, max_rate: float | None = None, max_in_flight: int | None = None) -> None:
        """State limits for the submits, or tighten those stated before: of two, the lower holds."""
        self._queues[Lane.SUBMIT].governor.restrict(max_rate=max_rate, max_tasks=max_in_flight)

    def share(self) -> None:
        """Others use the key, too: make for equal shares, in all lanes."""
        for queue in self._queues.values():
            queue.governor.share()

    def believe(self, retry_after_cap: float) -> None:
        """Believe a `Retry-After` of at least so many seconds."""
        for queue in self._queues.values():
            queue.governor.believe(retry_after_cap)

    def statistics(self) -> GateStatistics:
        """What each lane is doing now."""
        from omniedit.api.statistics import GateStatistics

        queues = self._queues
        return GateStatistics(
            submit=queues[Lane.SUBMIT].statistics(),
            poll=queues[Lane.POLL].statistics(),
            upload=queues[Lane.UPLOAD].statistics(),
        )

    def __repr__(self) -> str:
        lanes = ", ".join(f"{lane}: {queue!r}" for lane, queue in self._queues.items())
        return f"<Gate {lanes}>"


class Turn:
    """The right to send one request, and the duty to say what became of it: one call, and a second one raises."""

    __slots__ = ("_queue", "_sent")

    def __init__(self, queue: _Queue, sent: Sent) -> None:
        self._queue: _Queue | None = queue
        self._sent = sent

    def accepted(self, headers: Mapping[str, str] = _NO_HEADERS) -> None:
        """The service took the request; in the submit lane a task is unfinished from now on."""
        queue = self._close()
        queue.governor.accepted(self._sent, queue.now(), read_hint(headers), task=queue.makes_tasks)
        queue.lead()
        queue.pump()

    def refused(self, headers: Mapping[str, str] = _NO_HEADERS, *, retry_after: float | None = None) -> None:
        """The service refused the request for a limit: 429, or 503 with `Retry-After`.

        `retry_after` (s), where the body or the caller knows it, stands above the header.
        """
        queue = self._close()
        hint = read_hint(headers, queue.clock.utcnow())
        if retry_after is not None:
            hint = evolve(hint, retry_after=retry_after)
        queue.governor.refused(self._sent, queue.now(), hint, queue.jitter())
        queue.tell()
        queue.pump()

    def answered(self, headers: Mapping[str, str] = _NO_HEADERS) -> None:
        """Any other answer: the request is over, and no task came of it."""
        queue = self._close()
        queue.governor.answered(self._sent, queue.now(), read_hint(headers))
        queue.pump()

    def lost(self, *, maybe_accepted: bool = False) -> None:
        """No answer. With `maybe_accepted` its task counts as unfinished until `Gate.finished`."""
        queue = self._close()
        queue.governor.lost(self._sent, task=maybe_accepted and queue.makes_tasks)
        queue.pump()

    def unused(self) -> None:
        """The request never left: the turn goes to the next waiter."""
        queue = self._close()
        queue.governor.withdraw(self._sent)
        queue.pump()

    def _close(self) -> _Queue:
        queue, self._queue = self._queue, None
        if queue is None:
            raise RuntimeError("this turn was reported already: each turn stands for one request")
        return queue

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._queue is not None:
            self.lost()

    def __repr__(self) -> str:
        return f"<Turn {'reported' if self._queue is None else 'open'}>"


class _Queue:
    """The waiters of one lane, and their one timer."""

    def __init__(
        self,
        governor: Governor,
        clock: Clock,
        jitter: Callable[[], float],
        asked: _Asked,
        *,
        makes_tasks: bool = False,
        follower: Governor | None = None,
    ) -> None:
        self.governor = governor
        self._follower = follower  # of another lane, that may begin as fast as this one goes
        self.clock = clock
        self.now = clock.monotonic
        self.jitter = jitter
        self._asked = asked
        self.makes_tasks = makes_tasks
        self._urgent: OrderedDict[Future[Turn], None] = OrderedDict()
        self._waiting: OrderedDict[Future[Turn], None] = OrderedDict()
        self._urgent_run = 0
        self._timer: asyncio.Task[None] | None = None
        self._wakes_at = 0.0

    async def enter(self, *, urgent: bool) -> Turn:
        if not self._urgent and not self._waiting:
            now = self.now()
            if isinstance(self._when(now), Go):
                return Turn(self, self.governor.send(now))
        line = self._urgent if urgent else self._waiting
        waiter: Future[Turn] = asyncio.get_running_loop().create_future()
        line[waiter] = None
        self.pump()
        try:
            return await waiter
        except asyncio.CancelledError:
            self._leave(line, waiter)
            raise

    def _leave(self, line: OrderedDict[Future[Turn], None], waiter: Future[Turn]) -> None:
        if waiter.cancelled():
            line.pop(waiter, None)
            self.pump()
        else:
            waiter.result().unused()  # it came in the same instant as the cancellation

    def pump(self) -> None:
        """Hand out turns while the governor lets requests leave, then set the timer for the next."""
        while line := self._next_line():
            now = self.now()
            decision = self._when(now)
            if isinstance(decision, WaitUntil):
                self._wake_at(decision.at, now)
                return
            waiter, _ = line.popitem(last=False)
            if not waiter.done():
                self._urgent_run = self._urgent_run + 1 if line is self._urgent else 0
                waiter.set_result(Turn(self, self.governor.send(now)))
        self._sleep_no_more()

    def _next_line(self) -> OrderedDict[Future[Turn], None]:
        if self._waiting and self._urgent_run >= _URGENT_IN_A_ROW:
            return self._waiting
        return self._urgent or self._waiting

    def tell(self) -> None:
        """Let all of the key know how long the service has asked to wait."""
        self._asked.until = max(self._asked.until, self.governor.asked)

    def _heed(self, now: float) -> None:
        if self._asked.until > now:
            self.governor.hold(self._asked.until)

    def _when(self, now: float) -> Decision:
        self._heed(now)
        return self.governor.when(now)

    def lead(self) -> None:
        """Let the follower know what this lane has achieved."""
        if self._follower is not None:
            self._follower.begin_at(self.governor.achieved(self.now()))

    def _wake_at(self, at: float, now: float) -> None:
        if self._timer is not None and self._wakes_at <= at:
            return  # it wakes early enough, and will look again
        self._sleep_no_more()
        if at < inf:
            self._wakes_at = at
            self._timer = asyncio.get_running_loop().create_task(self._sleep(at - now))

    async def _sleep(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
        self._timer = None
        self.pump()

    def _sleep_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def finished(self, *, refused: bool) -> None:
        self.governor.finished(self.now(), refused=refused)
        self.pump()

    def statistics(self) -> LaneStatistics:
        from omniedit.api.statistics import LaneStatistics

        now = self.now()
        self._heed(now)
        reading = self.governor.reading(now)
        return LaneStatistics(
            regime=reading.regime,
            rate=reading.rate,
            achieved=reading.achieved,
            level=reading.level,
            in_flight=reading.requests,
            pause=reading.pause,
            granted=reading.sent,
            accepted=reading.accepted,
            refused=reading.refused,
            waiting=len(self._urgent) + len(self._waiting),
        )

    def __repr__(self) -> str:
        return f"{self.governor!r} waiting={len(self._urgent) + len(self._waiting)}"


def _asked_of_nobody() -> Mapping[Lane, _Asked]:
    return {lane: _Asked() for lane in Lane}


_asked: dict[tuple[str, str], Mapping[Lane, _Asked]] = {}
_gates: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[tuple[str, str], Gate]] = WeakKeyDictionary()


def shared_gate(
    origin: str,
    key_fingerprint: str,
    *,
    max_rate: float | None = None,
    max_in_flight: int | None = None,
    retry_after_cap: float = 3600.0,
    clock: Clock | None = None,
) -> Gate:
    """The one gate of this key at this origin in the running event loop, made when there is none.

    It lives for as long as somebody holds it; pauses that the service asked for are known to the next one. Where
    several clients state limits, the lower of each holds, and the higher `retry_after_cap`.
    """
    gates = _gates.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    gate = gates.get((origin, key_fingerprint))
    if gate is None:
        asked = _asked_of(origin, key_fingerprint) if clock is None or isinstance(clock, SystemClock) else None
        gates[origin, key_fingerprint] = gate = Gate(clock=clock, asked=asked, retry_after_cap=retry_after_cap)
    gate.believe(retry_after_cap)
    gate.restrict(max_rate=max_rate, max_in_flight=max_in_flight)
    return gate


def _asked_of(origin: str, key_fingerprint: str) -> Mapping[Lane, _Asked]:
    """What this key was asked, on the clock of the machine, which all loops share."""
    asked = _asked.setdefault((origin, key_fingerprint), _asked_of_nobody())
    if len(_asked) > _KEYS:
        _asked.pop(next(iter(list(_asked))), None)
    return asked
