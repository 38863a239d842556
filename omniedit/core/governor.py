"""The governor: as fast as an unknown limit allows, and no faster.

The rules, for one lane of one API key:

- *Ramp*. Nothing is known: start at 2 requests a second and add a quarter for each acceptance that the pacer held
  back, with no more than 4 + accepted / 16 requests on their way at once. The first refusal ends the ramp.
- *Rate*. The rate follows what the service really accepted: a refusal takes 6 % off, the first acceptance after a
  block sets the rate to no more than what that cycle achieved, and growth resumes slowly from there.
- *One episode counts once*. A refusal of a request that left before the last reaction says nothing new.
- *Pause*. `Retry-After` holds everybody, never less. Without it the first refusal pauses for half an interval; when the
  next request is refused as well, pauses grow threefold up to half a minute, with one request at a time in between.
- *Stated limits* are kept exactly and are never probed.

Everything here is pure: `now` (monotonic seconds) and `jitter` (0 to 1) are arguments, and time never runs backwards
within a governor: an earlier `now` counts as the latest seen.
"""

from __future__ import annotations

from enum import StrEnum
from math import exp, inf
from typing import TypeVar

from attrs import define, frozen

from omniedit.core.pacing import MINUTE, Goodput, Pacer
from omniedit.core.ratehints import NO_HINT, Hint

__all__ = ["Decision", "Go", "Governor", "Lane", "Reading", "Sent", "WaitUntil"]


class Lane(StrEnum):
    """What a request is for: the service may limit each kind apart, so each is learned apart."""

    SUBMIT = "submit"
    POLL = "poll"
    UPLOAD = "upload"


@frozen
class Go:
    """A request may leave now."""


@frozen
class WaitUntil:
    """None may leave before `at` (monotonic seconds); `inf` means before something is reported."""

    at: float


Decision = Go | WaitUntil

_GO = Go()
_UNTIL_NEWS = WaitUntil(inf)


@define
class Sent:
    """A request that left: when, and what was on its way then."""

    at: float
    requests: int
    tasks: int
    paced: bool


@frozen
class Reading:
    """What a governor knows: for statistics."""

    regime: str
    rate: float
    level: int
    requests: int
    pause: float
    sent: int
    accepted: int
    refused: int


_START_RATE = 2.0
_LEAST_RATE = 1 / 7200
_STATED_SHARE = 0.98  # of a stated rate: leaves 1.2 s a minute for requests that arrive closer than they left


class Governor:
    """Decides when the next request of one lane may leave."""

    def __init__(
        self,
        now: float,
        *,
        max_rate: float | None = None,
        max_tasks: int | None = None,
        max_requests: int | None = None,
        retry_after_cap: float = 3600.0,
    ) -> None:
        self._now = now
        self.max_rate = max_rate
        self.max_tasks = max_tasks
        self.max_requests = max_requests
        self._retry_after_cap = retry_after_cap
        self.requests = 0
        self.tasks = 0
        self._ramp = True
        self._pacer = Pacer(self._bounded(_START_RATE))
        self._goodput = Goodput(now)
        self._held = False
        self._until = -inf
        self._reacted = -inf
        self._row = 0
        self._grown = now
        self._cycle_start = now
        self._cycle_accepted = 0
        self._sent = self._accepted = self._refused = 0

    def when(self, now: float) -> Decision:
        """Whether a request may leave now."""
        now = self._at(now)
        if self._full():
            return _UNTIL_NEWS
        opens = max(self._pacer.opens, self._until)
        if opens <= now:
            return _GO
        self._held = True
        return WaitUntil(opens)

    def _full(self) -> bool:
        if self.max_tasks is not None and self.tasks + self.requests >= self.max_tasks:
            return True
        if self.max_requests is not None and self.requests >= self.max_requests:
            return True
        if self._row >= 2 and self.requests:
            return True
        return self._ramp and self.requests >= 4 + self._accepted // 16

    def send(self, now: float) -> Sent:
        """A request leaves."""
        now = self._at(now)
        self._pacer.take(now)
        sent = Sent(now, self.requests, self.tasks, self._held)
        self._held = False
        self.requests += 1
        self._sent += 1
        return sent

    def withdraw(self, sent: Sent) -> None:
        """A request that was let through did not leave after all."""
        self.requests -= 1
        self._sent -= 1
        self._held = sent.paced
        self._pacer.give_back()

    def accepted(self, sent: Sent, now: float, hint: Hint = NO_HINT, *, task: bool = False) -> None:
        """The service took a request; `task` says that an unfinished task came of it."""
        now = self._at(now)
        self.requests -= 1
        self.tasks += task
        self._accepted += 1
        self._goodput.add(now)
        self._cycle_accepted += 1
        if sent.at > self._reacted and self._row:
            self._reopen(now)
        if sent.paced:
            self._grow(now)
        self._heed(hint, now)

    def refused(self, sent: Sent, now: float, hint: Hint = NO_HINT, jitter: float = 0.5) -> None:
        """The service refused a request for its limits."""
        now = self._at(now)
        self.requests -= 1
        self._refused += 1
        if hint.retry_after is not None:
            wait = min(hint.retry_after, self._retry_after_cap)
            self._until = max(self._until, now + wait * (1 + 0.02 * jitter))
        if sent.at <= self._reacted:
            return
        self._reacted = now
        self._ramp = False
        self._row += 1
        if self._row == 1:
            self._pacer.rate = max(self._pacer.rate * 0.94, _LEAST_RATE)
            pause = 0.5 / self._pacer.rate if hint.retry_after is None else 0.0
            self._until = max(self._until, now + min(pause, 30.0))
        else:
            pause = min(30.0, max(1 / self._pacer.rate, 1.0) * 3 ** min(self._row - 2, 5))
            self._until = max(self._until, now + pause * (0.9 + 0.2 * jitter))

    def answered(self, now: float, hint: Hint = NO_HINT) -> None:
        """Any other answer: the request is over, and nothing is learned about limits but what the headers say."""
        self.requests -= 1
        self._heed(hint, self._at(now))

    def lost(self, *, task: bool = False) -> None:
        """No answer; `task` says that the service may have taken it all the same."""
        self.requests -= 1
        self.tasks += task

    def finished(self, now: float, *, refused: bool = False) -> None:
        """An unfinished task ended; `refused` says that it failed for a limit."""
        self._at(now)
        self.tasks = max(self.tasks - 1, 0)
        if refused:
            self._refused += 1

    def restrict(self, *, max_rate: float | None = None, max_tasks: int | None = None) -> None:
        """State limits, or tighten those stated before: of two, the lower holds."""
        self.max_rate = _lower(self.max_rate, max_rate)
        self.max_tasks = _lower(self.max_tasks, max_tasks)
        self._pacer.rate = self._bounded(self._pacer.rate)

    def adopt(self, tasks: int) -> None:
        """That many tasks are unfinished already."""
        self.tasks += tasks

    def reading(self, now: float) -> Reading:
        """What is known at this moment."""
        now = self._at(now)
        return Reading(
            regime="ramp" if self._ramp else "rate",
            rate=self._pacer.rate,
            level=self.tasks,
            requests=self.requests,
            pause=max(self._until - now, 0.0),
            sent=self._sent,
            accepted=self._accepted,
            refused=self._refused,
        )

    def _reopen(self, now: float) -> None:
        span = max(now - self._cycle_start, 1.0)
        achieved = (self._cycle_accepted + 1) / span
        if span > MINUTE:
            achieved = max(achieved, self._goodput.rate(now))
        self._pacer.rate = max(min(self._pacer.rate, achieved), _LEAST_RATE)
        self._row = 0
        self._grown = self._cycle_start = now
        self._cycle_accepted = 0

    def _grow(self, now: float) -> None:
        rate = self._pacer.rate
        elapsed, self._grown = min(now - self._grown, 5 / rate + 1), now
        goodput = self._goodput.rate(now)
        if self._ramp:
            rate += 0.25
        elif rate < goodput:
            rate += (goodput - rate) * (1 - exp(-elapsed / 12))
        else:
            rate *= 1 + 0.05 * elapsed / MINUTE
        self._pacer.rate = self._bounded(rate)

    def _heed(self, hint: Hint, now: float) -> None:
        if hint.remaining is not None and hint.reset is not None and hint.remaining <= self.requests:
            self._until = max(self._until, now + min(hint.reset, self._retry_after_cap))

    def _bounded(self, rate: float) -> float:
        return rate if self.max_rate is None else min(rate, self.max_rate * _STATED_SHARE)

    def _at(self, now: float) -> float:
        self._now = max(self._now, now)
        return self._now


_N = TypeVar("_N", int, float)


def _lower(one: _N | None, other: _N | None) -> _N | None:
    return min((bound for bound in (one, other) if bound is not None), default=None)
