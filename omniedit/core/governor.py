"""The governor: as fast as an unknown limit allows, and no faster.

It is told when requests leave and what becomes of them, and answers `Go` or `WaitUntil`. One governor stands for one
lane of one API key. Its rules, in the order in which they hold:

1. *Stated limits are kept.* `max_rate` paces evenly at 98 % of it, `max_tasks` and `max_requests` bound what is live;
   none of them is ever probed.
2. *Pauses hold for everybody* (`omniedit.core.pause`): `Retry-After` to the full; without one, a ladder that starts
   small. One episode of refusals counts once, and in an episode one request at a time asks whether it is over.
3. *Headers.* Where they state how much is left (`omniedit.core.quota`), no more is sent than that. While they describe
   a window whose end stands still, the regime is `Window`: what is left is spread over the time that is left. Headers
   that promise plenty where a request is refused describe another limit, and are not paced by again.
4. Otherwise one of four regimes learns (`omniedit.core.regimes`):

   - `Ramp`, from the start: half a stated rate, or 2 requests a second, or what another lane of the key has
     achieved (submits lead the looks that follow them); an eighth more for each acceptance that the pacer held back,
     and at most 4 + accepted / 16 on their way at once. The first refusal after an acceptance ends it.
   - `Rate`: the pacer follows what the service accepts. The first refusal of an episode takes 2 to 25 % off, by how
     much was refused of late (12 at most where blocks end on the minute). When the block is over, the rate is at most
     what the cycle from the last block to this one achieved, block included, and returns to what the last minute
     achieved within seconds. From there it probes: by the same small step for all, so that processes of one key come
     to equal shares; after 45 quiet seconds (or 36 requests, if those take longer) ever faster, so that a limit that
     doubled is found soon. Where few are refused and blocks are soon over, a probe costs next to nothing, and up to
     four times as many are made. Where more than 1.9 % of the last thousand were refused, as happens in company, a
     slow probe has to last for longer: by the square of what is too much, 2.8 times as many requests at most at a
     quarter of a request a second, and ever fewer up to 0.6 a second; but for 400 seconds at most: that is the same
     for all who have little, so they gain on those who have more. Where work is short, and not the limit, a cycle
     teaches nothing and the rate does not grow: what nobody needs is not tried, and the first burst would fail on it.
     At less than one request a second, what one got first is chance, above all in company: until 250 were taken, steps
     are larger, up to 60 % down and a third over the number taken up, so that shares come closer while that costs
     little. (Neither holds where blocks end on the minute: all are cut alike there, and probe at large steps.)
     Refusals by chance (`omniedit.core.pause`) end no cycle: each episode of them takes 1.5 % off, and each acceptance
     gives 1.3 % of that back, so that about so many come to be refused.
   - `Shared`, in place of `Rate` where it was said that others use the key. A refusal takes a quarter off for good, and
     growth is by the same number of requests a second for all: so who has more loses more, and shares come together.
     That number is in proportion to how many acceptances lie between refusals, so that at most a few per cent are
     refused whatever the rate; when three times as many have passed, the limit is another, and growth gets steeper.
     Alone, it leaves a tenth of the limit unused, hence it has to be asked for. (Not where blocks end on the minute:
     all are cut alike there.)
   - `Cap`: refusals at one level of unfinished tasks, or of requests on their way, above which hardly anything is
     accepted, mean a cap (`omniedit.core.ceiling`). As much is kept live and no more. When 65 acceptances have paid
     for each refusal, one more is tried, and while that succeeds one more again, so that a cap that doubled is climbed
     at once. What was found by luck, a task that had ended unseen, is given back at the next refusal. A refusal below
     the cap lowers it; refusals that follow each other lower it in steps of 15 %, and it is felt for from there; what
     was lowered is often raised again, so the next six tries cost half. Refusals that a cap does not explain lead back
     to `Rate`.

Everything here is pure: `now` (monotonic seconds) and `jitter` (0 to 1) are arguments. Time never runs backwards in a
governor: an earlier `now` counts as the latest one seen.
"""

from __future__ import annotations

from enum import StrEnum
from math import inf
from typing import TypeVar

from attrs import frozen

from omniedit.core.lanefacts import Facts, Sent
from omniedit.core.pacing import MINUTE
from omniedit.core.pause import Pause, Refusal
from omniedit.core.quota import Quota
from omniedit.core.ratehints import NO_HINT, Hint
from omniedit.core.regime import Regime, Window
from omniedit.core.regimes import Ramp, Rate, Shared, limited

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
_FEW = range(3, 13)  # requests ever accepted: so few may have used up a cap on few tasks
_SOONEST_END = 0.3  # s: what is left of a window is not spent faster than over this time


@frozen
class Reading:
    """What a governor knows, for statistics. Rates are requests per second, times seconds."""

    regime: str
    rate: float  # allowed
    achieved: float  # accepted, in the last minute
    level: int  # unfinished tasks
    requests: int  # on their way
    pause: float  # left of it
    sent: int
    accepted: int
    refused: int


class Governor:
    """Decides when the next request of one lane may leave.

    `now` is when it begins. `max_rate` (requests per second), `max_tasks` (unfinished) and `max_requests` (on their
    way) are stated limits; `retry_after_cap` (seconds) is the longest `Retry-After` or reset that is believed; `shared`
    says that others use the key, too.
    """

    def __init__(
        self,
        now: float,
        *,
        max_rate: float | None = None,
        max_tasks: int | None = None,
        max_requests: int | None = None,
        retry_after_cap: float = 3600.0,
        shared: bool = False,
    ) -> None:
        self._now = now
        self._max_tasks = max_tasks
        self._max_requests = max_requests
        self._retry_after_cap = retry_after_cap
        self._facts = Facts(now, max_rate, shared=shared)
        self._regime: Regime = Ramp(self._facts)
        self._pause = Pause()
        self._quota = Quota()
        self._new = True  # whether no episode of refusals is over yet
        self._held = False  # whether the pacer or a pause held the next request back
        self._sent = 0
        self._refused = 0

    def when(self, now: float) -> Decision:
        """Whether a request may leave now."""
        self._now = now = max(self._now, now)
        if self._full():
            return _UNTIL_NEWS
        opens, until = self._facts.pacer.opens, self._pause.until
        if opens <= now and until <= now:
            return _GO
        self._held = True
        return WaitUntil(max(opens, until))

    def _full(self) -> bool:
        facts = self._facts
        if self._max_tasks is not None and facts.tasks + facts.requests >= self._max_tasks:
            return True
        if self._max_requests is not None and facts.requests >= self._max_requests:
            return True
        return self._pause.asking or not self._regime.room()

    def send(self, now: float) -> Sent:
        """A request leaves. Whoever sends one without having been told to go breaks the rules, not the governor."""
        self._now = now = max(self._now, now)
        facts = self._facts
        facts.pacer.take(now)
        sent = Sent(now, facts.requests, facts.tasks, self._held)
        self._held = False
        self._pause.left(now, capped=self._regime.capped)
        self._regime.sent(sent)
        facts.requests += 1
        self._sent += 1
        return sent

    def withdraw(self, sent: Sent) -> None:
        """A request that was let through did not leave after all."""
        self._returned(sent)
        self._facts.pacer.give_back()
        self._held = sent.paced
        self._sent -= 1

    def accepted(self, sent: Sent, now: float, hint: Hint = NO_HINT, *, task: bool = False) -> None:
        """The service took a request; `task` says that an unfinished task came of it."""
        self._now = now = max(self._now, now)
        facts = self._facts
        self._returned(sent)
        facts.tasks += task
        facts.accepted += 1
        facts.judged(refused=False)
        facts.goodput.add(now)
        tasks, requests = facts.ceilings
        tasks.accepted(sent.tasks + sent.requests)
        requests.accepted(sent.requests)
        reopened = self._pause.accepted(sent.at)
        self._new = self._new and not reopened
        facts.by_chance = self._pause.by_chance
        self._regime = self._regime.accepted(sent, now, reopened=reopened)
        if hint is not NO_HINT:
            self._heed(hint, now)

    def refused(self, sent: Sent, now: float, hint: Hint = NO_HINT, jitter: float = 0.5) -> None:
        """The service refused a request for its limits."""
        now = self._at(now)
        self._returned(sent)
        self._refuse(sent, now, hint, jitter)
        self._heed(hint, now)

    def answered(self, sent: Sent, now: float, hint: Hint = NO_HINT) -> None:
        """Any other answer: nothing is learned about limits but what the headers say."""
        self._returned(sent)
        self._heed(hint, self._at(now))

    def lost(self, sent: Sent, *, task: bool = False) -> None:
        """No answer; `task` says that the service may have taken it all the same."""
        self._returned(sent)
        self._facts.tasks += task

    def finished(self, now: float, *, refused: bool = False) -> None:
        """An unfinished task ended; `refused` says that it failed for a limit: a refusal that comes a minute late."""
        now, facts = self._at(now), self._facts
        facts.tasks = max(facts.tasks - 1, 0)
        facts.ended += 1
        if refused:
            self._refuse(Sent(now - MINUTE, facts.requests, facts.tasks, paced=False), now, NO_HINT, 0.5)
        self._pause.room_freed(now)

    def adopt(self, tasks: int) -> None:
        """That many tasks are unfinished already."""
        self._facts.tasks += tasks

    def restrict(self, *, max_rate: float | None = None, max_tasks: int | None = None) -> None:
        """State limits, or tighten those stated before: of two, the lower holds."""
        facts = self._facts
        facts.max_rate = _lower(facts.max_rate, max_rate)
        self._max_tasks = _lower(self._max_tasks, max_tasks)
        facts.pace(facts.pacer.rate)
        if max_rate is not None:
            self.begin_at(facts.start_rate)

    def share(self) -> None:
        """From now on others use the key, too."""
        facts, regime = self._facts, self._regime
        facts.shared = True
        if isinstance(regime, Rate) and not isinstance(regime, Shared):
            self._regime = limited(facts, self._now, facts.pacer.rate)

    def believe(self, retry_after_cap: float) -> None:
        """Believe a `Retry-After` of at least so many seconds."""
        self._retry_after_cap = max(self._retry_after_cap, retry_after_cap)

    def achieved(self, now: float) -> float:
        """Requests accepted per second, in the last minute."""
        return self._facts.goodput.rate(self._at(now))

    @property
    def asked(self) -> float:
        """The instant until which the service has asked for a pause."""
        return self._pause.asked

    def hold(self, until: float) -> None:
        """The service has asked for a pause until then; another governor of the lane was told."""
        self._pause.hold(until)

    def begin_at(self, rate: float) -> None:
        """Go at least so fast while nothing else is known: another lane of the key has achieved it."""
        facts = self._facts
        if rate > facts.pacer.rate and isinstance(self._regime, Ramp):
            facts.pace(rate)

    def reading(self, now: float) -> Reading:
        """What is known at this moment."""
        now, facts = self._at(now), self._facts
        return Reading(
            regime=self._regime.name,
            rate=facts.pacer.rate,
            achieved=self.achieved(now),
            level=facts.tasks,
            requests=facts.requests,
            pause=max(self._pause.until - now, 0.0),
            sent=self._sent,
            accepted=facts.accepted,
            refused=self._refused,
        )

    def _returned(self, sent: Sent) -> None:
        self._facts.requests -= 1
        self._pause.returned(sent.at)

    def _refuse(self, sent: Sent, now: float, hint: Hint, jitter: float) -> None:
        facts, pause = self._facts, self._pause
        self._refused += 1
        facts.judged(refused=True)
        wait = None if hint.retry_after is None else min(hint.retry_after, self._retry_after_cap)
        capped, few = self._regime.capped, self._new and facts.accepted in _FEW and not facts.ended
        refusal = pause.refused(sent.at, now, wait, 1 / facts.pacer.rate, jitter, capped=capped, few=few)
        if refusal is Refusal.KNOWN:
            return
        facts.failed, facts.asked = sent.at, wait or 0.0
        facts.by_chance, facts.by_minute = pause.by_chance, pause.by_minute
        self._quota.refused(facts.requests)
        if isinstance(self._regime, Window) and not self._quota.stands:
            self._regime = limited(facts, now, facts.goodput.rate(now))
        self._regime = self._regime.refused(sent, now, refusal)

    def _heed(self, hint: Hint, now: float) -> None:
        """Send no more than is stated to be left, and spread it over a window that stands still."""
        if hint.remaining is None or hint.reset is None:
            return
        facts, reset = self._facts, min(hint.reset, self._retry_after_cap)
        self._quota.read(hint.remaining, reset, now)
        left = hint.remaining - facts.requests
        if self._quota.stands:
            self._regime = Window(facts)
            facts.pace(max(left, 1.0) / max(self._quota.end - now, _SOONEST_END))
        elif isinstance(self._regime, Window):
            self._regime = limited(facts, now, facts.pacer.rate)
        if left <= 0:
            self._pause.hold(now + (reset if self._quota.stands else min(reset, 1 / facts.pacer.rate)))

    def _at(self, now: float) -> float:
        self._now = max(self._now, now)
        return self._now

    def __repr__(self) -> str:
        facts = self._facts
        return f"<Governor {self._regime.name} {facts.pacer.rate:.2f}/s tasks={facts.tasks} requests={facts.requests}>"


_N = TypeVar("_N", int, float)


def _lower(one: _N | None, other: _N | None) -> _N | None:
    return min((bound for bound in (one, other) if bound is not None), default=None)
