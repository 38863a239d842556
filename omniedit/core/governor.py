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
from math import inf
from typing import TypeVar

from attrs import frozen

from omniedit.core.pause import Pause, Refusal
from omniedit.core.quota import Quota
from omniedit.core.ratehints import NO_HINT, Hint
from omniedit.core.regimes import Facts, Ramp, Rate, Regime, Sent, Window

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
        self._max_tasks = max_tasks
        self._max_requests = max_requests
        self._retry_after_cap = retry_after_cap
        self._facts = Facts(now, max_rate)
        self._regime: Regime = Ramp(self._facts)
        self._pause = Pause()
        self._quota = Quota()
        self._held = False
        self._sent = self._refused = 0

    def when(self, now: float) -> Decision:
        """Whether a request may leave now."""
        now = self._at(now)
        if self._full():
            return _UNTIL_NEWS
        opens = max(self._facts.pacer.opens, self._pause.until)
        if opens <= now:
            return _GO
        self._held = True
        return WaitUntil(opens)

    def _full(self) -> bool:
        facts = self._facts
        if self._max_tasks is not None and facts.tasks + facts.requests >= self._max_tasks:
            return True
        if self._max_requests is not None and facts.requests >= self._max_requests:
            return True
        if self._pause.probing and facts.requests:
            return True
        return not self._regime.room()

    def send(self, now: float) -> Sent:
        """A request leaves."""
        now, facts = self._at(now), self._facts
        facts.pacer.take(now)
        sent = Sent(now, facts.requests, facts.tasks, self._held)
        self._held = False
        self._regime.sent(sent)
        facts.requests += 1
        self._sent += 1
        return sent

    def withdraw(self, sent: Sent) -> None:
        """A request that was let through did not leave after all."""
        self._facts.requests -= 1
        self._sent -= 1
        self._held = sent.paced
        self._facts.pacer.give_back()

    def accepted(self, sent: Sent, now: float, hint: Hint = NO_HINT, *, task: bool = False) -> None:
        """The service took a request; `task` says that an unfinished task came of it."""
        now, facts = self._at(now), self._facts
        facts.requests -= 1
        facts.tasks += task
        facts.accepted += 1
        facts.goodput.add(now)
        for ceiling in facts.ceilings:
            ceiling.accepted(sent.level(ceiling.kind))
        reopened = self._pause.accepted(sent.at)
        self._regime = self._regime.accepted(sent, now, reopened=reopened)
        self._heed(hint, now)

    def refused(self, sent: Sent, now: float, hint: Hint = NO_HINT, jitter: float = 0.5) -> None:
        """The service refused a request for its limits."""
        now, facts = self._at(now), self._facts
        facts.requests -= 1
        self._refused += 1
        wait = None if hint.retry_after is None else min(hint.retry_after, self._retry_after_cap)
        refusal = self._pause.refused(sent.at, now, wait, 1 / facts.pacer.rate, jitter, capped=self._regime.capped)
        facts.by_minute = self._pause.by_minute
        facts.asked = wait or 0.0
        if refusal is not Refusal.KNOWN:
            self._regime = self._regime.refused(sent, now, refusal)
        self._heed(hint, now)

    def answered(self, now: float, hint: Hint = NO_HINT) -> None:
        """Any other answer: the request is over, and nothing is learned about limits but what the headers say."""
        self._facts.requests -= 1
        self._heed(hint, self._at(now))

    def lost(self, *, task: bool = False) -> None:
        """No answer; `task` says that the service may have taken it all the same."""
        self._facts.requests -= 1
        self._facts.tasks += task

    def finished(self, now: float, *, refused: bool = False) -> None:
        """An unfinished task ended; `refused` says that it failed for a limit."""
        facts = self._facts
        facts.tasks = max(facts.tasks - 1, 0)
        facts.ended += 1
        self._pause.room_freed(self._at(now))
        if refused:
            self._refused += 1

    def restrict(self, *, max_rate: float | None = None, max_tasks: int | None = None) -> None:
        """State limits, or tighten those stated before: of two, the lower holds."""
        facts = self._facts
        facts.max_rate = _lower(facts.max_rate, max_rate)
        self._max_tasks = _lower(self._max_tasks, max_tasks)
        facts.pace(facts.pacer.rate)

    def adopt(self, tasks: int) -> None:
        """That many tasks are unfinished already."""
        self._facts.tasks += tasks

    def reading(self, now: float) -> Reading:
        """What is known at this moment."""
        now, facts = self._at(now), self._facts
        return Reading(
            regime=self._regime.name,
            rate=facts.pacer.rate,
            level=facts.tasks,
            requests=facts.requests,
            pause=max(self._pause.until - now, 0.0),
            sent=self._sent,
            accepted=facts.accepted,
            refused=self._refused,
        )

    def _heed(self, hint: Hint, now: float) -> None:
        """Never send more than is stated to be left, and spread it over a window that stands still."""
        if hint.remaining is None or hint.reset is None:
            return
        facts, quota = self._facts, self._quota
        reset = min(hint.reset, self._retry_after_cap)
        quota.read(hint.remaining, reset, now)
        left = hint.remaining - facts.requests
        if quota.stands:
            self._regime = Window(facts)
            facts.pace(max(left, 1.0) / max(quota.end - now, 0.3))
        elif self._regime.name == "window":
            self._regime = Rate(facts, now, known=facts.pacer.rate)
        if left <= 0:
            self._pause.hold(now + reset if quota.stands else now + min(reset, 1 / facts.pacer.rate))

    def _at(self, now: float) -> float:
        self._now = max(self._now, now)
        return self._now


_N = TypeVar("_N", int, float)


def _lower(one: _N | None, other: _N | None) -> _N | None:
    return min((bound for bound in (one, other) if bound is not None), default=None)
