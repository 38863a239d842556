"""The regimes of the governor; `omniedit.core.governor` tells their rules in full.

Rules of this room:

- A regime steers the pacer and says whether there is room for one more request. It learns from acceptances and from the
  refusals that open or prolong an episode, and answers each with the regime that is in force from then on.
- `Ramp` ends with the first refusal. `Rate` and `Cap` follow each other as the evidence asks for it; `Shared` stands in
  for `Rate` where it was said that others use the key. `Window` is in force while headers describe one.
- Rates are requests per second, times monotonic seconds, levels numbers of unfinished tasks or of requests.
"""

from __future__ import annotations

from math import ceil, exp, inf

from attrs import define, field

from omniedit.core.ceiling import REQUESTS, Ceiling
from omniedit.core.lanefacts import RARE, Facts, Sent
from omniedit.core.pacing import MINUTE
from omniedit.core.pause import Refusal
from omniedit.core.regime import Regime

__all__ = ["Cap", "Ramp", "Rate", "Shared", "limited"]

_RAMP_STEP = 0.125  # requests/s for each acceptance: the rate doubles in about 6 s
_RAMP_WIDTH = 4  # requests on their way at once, and one more for each 16 acceptances

_CUT = 20.0  # times the share refused of late: so much is taken off the rate at the first refusal of an episode ...
_LEAST_CUT, _MOST_CUT = 0.02, 0.25  # ... within these bounds: where few are refused, a refusal says little ...
_MINUTE_CUT = 0.12  # ... and no more where blocks end on the minute, so that all who share the limit are cut alike
_CHANCE_CUT = 0.015  # of the rate at a refusal by chance ...
_CHANCE = 0.013  # ... of which each acceptance gives back so much: the share that comes to be refused
_YOUNG = 250  # acceptances: before, the share of a slow limit that one got says little about the one that is due ...
_SLOW = 1.0  # requests/s: faster ones are over it soon, and had better not be disturbed
_YOUNG_CUT = 0.6  # ... so steps are large: down at a refusal, times the rate ...
_YOUNG_GAIN = 0.35  # ... and up at each acceptance, over how many there were so far
_RECOVERY = 8.0  # s: the time constant of the way back to what the last minute achieved
_TICK = 45.0  # s: the least time in which the rate is probed once ...
_TICK_REQUESTS = 36.0  # ... and requests that it has to last for, where they take longer than that ...
_BUDGET = 0.019  # ... times the square of the share that was refused over this one ...
_COSTLY, _COSTLIER = 0.6, 0.5  # requests/s: ... which counts once more for each so much that the rate is below this
_LONGEST_TICK = 400.0  # s: for slow processes it is the same, which brings them closer to those that have more ...
_FEWEST_REQUESTS = 6.0  # ... but never fewer requests, so that one an hour is not probed with each
_TICK_PER_WAIT = 30.0  # a service that asks for long pauses after a small step too many is probed more rarely
_SHORT = 1.5  # s: a block no longer than that, or than three intervals, costs little ...
_SHORTEST_TICK = 0.25  # ... so that while few are refused, ticks are shorter, down to this share
_STEP = 0.03  # requests/s a tick: the same for all, so that processes of one key come to equal shares ...
_LEAST_GAIN, _MOST_GAIN = 0.015, 0.06  # ... within these bounds, of the rate a tick
_BOLD_STEP = 0.15  # requests/s a tick and root of the rate, where blocks end on the minute
_BOLDEST = 0.3  # of the rate a tick
_STEEPNESS = 16.0  # after a quiet tick the gain grows by this factor a tick ...
_QUICK_GAIN = 0.02  # ... from here on ...
_TOP_GAIN = 1.2  # ... up to here
_LONGEST_QUIET = 3.0  # ticks: by then the gain is at its top
_BUSY = 0.9  # share of requests that the pacer held back, below which work is short and teaches nothing about limits
_IN_USE = 2 / 3  # of the recent ones: below it, work would not use a higher rate, which would wait for a burst to fail
_RECENT_REQUESTS = 30  # the memory of that share
_UNKNOWN_GROUND = 1.1  # times the rate of the last cycle: above it, one refusal takes back no more than a fifth
_RECENT = 10.0  # s: what the ramp achieved at its end, the block after it included ...
_LONGEST_BLOCK = 3.0  # ... s: what nobody asked to wait for beyond that may have been our own caution

_SHARED_CUT = 0.25  # of the rate at a refusal, for good ...
_SHARED_GROWTH = 4.9e-4  # ... and so many requests/s a second up, the same for all ...
_USUAL = 50.0  # ... where refusals are so many acceptances apart; in proportion, where they are not
_APART_AT_FIRST, _LEAST_APART = 40.0, 4.0  # acceptances
_DISTANCES = 8  # over which it is the mean
_OPEN = 0.3  # of the distance since the last refusal counts already
_OVERDUE = 3.0  # times the usual distance without a refusal: the limit is another ...
_FASTEST = 0.02  # ... and growth gets steeper, up to this share of the rate a second

_STEP_DOWN = 0.85  # of the level, where refusals follow each other
_REFILL, _CLIMB = 2.0, 6.0  # times what was achieved: how fast room is filled that is known, and that is being found
_HOPE = 6  # tries at half the price, after a cap was lowered: what was lowered is often raised again
_DOUBT = 0.04  # of refusals that a cap does not explain, each of which counts ...
_UNEXPLAINED = 0.01  # ... so much


class Ramp(Regime):
    """Nothing is known yet."""

    def room(self) -> bool:
        """Few at once in the beginning."""
        return self.facts.requests < _RAMP_WIDTH + self.facts.accepted // 16

    def accepted(self, sent: Sent, now: float, *, reopened: bool) -> Regime:
        """Faster, where the pacer held it back."""
        if sent.paced:
            self.facts.pace(self.facts.pacer.rate + _RAMP_STEP)
        return self

    def refused(self, sent: Sent, now: float, refusal: Refusal) -> Regime:
        """The ramp is over."""
        facts = self.facts
        if not facts.accepted:
            return self  # others of the same key have used it up: that says nothing about our share
        rate = limited(facts, facts.started, facts.pacer.rate)
        rate.taken = rate.paced = facts.accepted
        rate.first = True
        return rate.refused(sent, now, refusal)


@define
class Rate(Regime):
    """The rate is limited."""

    since: float  # when the present cycle began: with the last reopening
    known: float  # the rate that the last cycle achieved
    taken: int = 0  # acceptances in this cycle
    paced: int = 0  # those of them that the pacer had held back
    met: float = 0.0  # the rate at which the limit was met last
    block: float = inf  # seconds that the last block may have lasted
    first: bool = False  # whether this cycle began with the ramp
    quiet: float = 0.0  # ticks of growth since the last refusal
    grown: float = -inf
    load: float = 1.0  # the share of the recent ones that it had held back

    def accepted(self, sent: Sent, now: float, *, reopened: bool) -> Regime:
        """Take stock of a cycle that is over; grow."""
        self.taken += 1
        self.paced += sent.paced
        self.load += (sent.paced - self.load) / _RECENT_REQUESTS
        if reopened:
            self._reopen(sent.at, now)
        if sent.paced and self.load >= _IN_USE:
            self._grow(now)
        return self

    def refused(self, sent: Sent, now: float, refusal: Refusal) -> Regime:
        """Slow down, unless this speaks for a cap."""
        facts = self.facts
        if refusal is not Refusal.FIRST:
            return self
        found = facts.find_cap(sent, now) if self.load >= _BUSY else None
        if found is not None:
            return Cap(facts, *found)
        self.met = facts.pacer.rate
        facts.pace(self.met * (1 - self._cut()))
        self.quiet = 0.0
        return self

    @property
    def _young(self) -> bool:
        """Whether little is known of a slow limit. Where blocks end on the minute all are cut alike, by large steps."""
        facts = self.facts
        return facts.accepted < _YOUNG and facts.pacer.rate < _SLOW and not facts.by_minute

    def _cut(self) -> float:
        if self.facts.by_chance:
            return _CHANCE_CUT
        most = _MINUTE_CUT if self.facts.by_minute else _MOST_CUT
        young = _YOUNG_CUT * self.facts.pacer.rate * self._young
        return max(_LEAST_CUT, min(_CUT * self.facts.refused_share, most), young)

    def _reopen(self, left: float, now: float) -> None:
        """A cycle is over: from one reopening to the next, block included, nobody got more than was achieved."""
        facts = self.facts
        if facts.by_chance:  # nothing was shut
            facts.pace(max(facts.pacer.rate, self.met * (1 - _CHANCE_CUT)))
            return
        end = (facts.failed + left) / 2
        if self.paced >= _BUSY * self.taken:  # else it was work that was short, and not the limit
            facts.pace(min(facts.pacer.rate, self._achieved(end, now)))
            self.known = rate = facts.pacer.rate
            facts.asked *= _MOST_GAIN / max(self.met / rate - 1, _MOST_GAIN)  # what a small step too many would cost
        self.block = left - facts.failed
        facts.pacer.restart(left)
        self.since = self.grown = end
        self.taken = self.paced = 0
        self.first = False

    def _achieved(self, end: float, now: float) -> float:
        facts, span = self.facts, max(end - self.since, 0.1)
        rates = [self.taken / span]
        if span > MINUTE:
            rates.append(facts.goodput.rate(now))
        if facts.pacer.rate > _UNKNOWN_GROUND * self.known:
            rates.append(0.8 * facts.pacer.rate)
        if self.first:
            recent = min(_RECENT, max(span / 3, 1.0))
            block = min(end - facts.failed, facts.asked + _LONGEST_BLOCK)
            rates.append(facts.goodput.recent(facts.failed, recent) * recent / (recent + block))
        return max(rates)

    def _grow(self, now: float) -> None:
        facts, rate, anchor = self.facts, self.facts.pacer.rate, self._anchor(now)
        elapsed, self.grown = min(now - self.grown, 5 / rate + 1), now
        if rate < anchor:
            rate += (anchor - rate) * (1 - exp(-elapsed / _RECOVERY))
        if rate >= 0.97 * anchor:
            rate = self._probe(rate, elapsed)
        facts.pace(rate)

    def _anchor(self, now: float) -> float:
        """The rate to go back to after a refusal."""
        return self.facts.goodput.rate(now)

    def _probe(self, rate: float, elapsed: float) -> float:
        """The rate after so many seconds of probing."""
        facts, ticks = self.facts, elapsed / self._tick(rate)
        self.quiet = min(self.quiet + ticks, _LONGEST_QUIET)
        young = _YOUNG_GAIN * self._young * min(elapsed * rate, 1.0) / max(facts.accepted, 1)
        return rate * (1 + max(self._gain(rate) * ticks, young, _CHANCE * _CHANCE_CUT * facts.by_chance))

    def _tick(self, rate: float) -> float:
        facts = self.facts
        requests = max(min(_TICK_REQUESTS * self._overspent(rate) ** 2 / rate, _LONGEST_TICK), _FEWEST_REQUESTS / rate)
        tick = max(_TICK, requests, _TICK_PER_WAIT * facts.asked)
        if self.block > max(_SHORT, 3 / rate):
            return tick
        return tick * max(_SHORTEST_TICK, min(facts.refused_share / RARE, 1.0))

    def _overspent(self, rate: float) -> float:
        if self.facts.by_minute:
            return 1.0
        return max(1.0, min(self.facts.spent / _BUDGET, 1 + (_COSTLY - rate) / _COSTLIER))

    def _gain(self, rate: float) -> float:
        """Growth of the rate in one tick, as a share of it."""
        gain = max(_LEAST_GAIN, min(_STEP / rate, _MOST_GAIN))
        if self.quiet > 1:
            gain = min(max(gain, _QUICK_GAIN) * _STEEPNESS ** (self.quiet - 1), _TOP_GAIN)
        return max(gain, min(_BOLD_STEP / rate**0.5, _BOLDEST)) if self.facts.by_minute else gain


@define
class Shared(Rate):
    """The rate is limited, and others use the key. By the minute, and by chance, `Rate` does well in company too."""

    apart: float = _APART_AT_FIRST  # acceptances between refusals, the mean of the last few
    distance: int = 0  # acceptances since the last refusal
    kept: float = inf  # the rate that the last cut left, and growth since

    def accepted(self, sent: Sent, now: float, *, reopened: bool) -> Regime:
        """Count, and go on as ever."""
        self.distance += 1
        return super().accepted(sent, now, reopened=reopened)

    def refused(self, sent: Sent, now: float, refusal: Refusal) -> Regime:
        """Slow down for good."""
        regime = super().refused(sent, now, refusal)
        if refusal is Refusal.FIRST:
            self.kept = self.facts.pacer.rate
            if self.distance:  # else it is the one that ended the ramp
                self.apart += (self.distance - self.apart) / _DISTANCES
            self.distance = 0
        return regime

    @property
    def _alike(self) -> bool:
        """Whether refusals come to all alike, or to anybody by chance: they say nothing of shares then."""
        return self.facts.by_minute or self.facts.by_chance

    def _cut(self) -> float:
        return super()._cut() if self._alike else _SHARED_CUT

    def _anchor(self, now: float) -> float:
        achieved = super()._anchor(now)
        return achieved if self._alike else min(achieved, self.kept)

    def _probe(self, rate: float, elapsed: float) -> float:
        if self._alike:
            return super()._probe(rate, elapsed)
        apart = max(self.apart, _LEAST_APART)
        growth = _SHARED_GROWTH * max(apart, _OPEN * self.distance) / _USUAL
        overdue = self.distance / apart - _OVERDUE
        if overdue > 0:
            growth = min(growth * _STEEPNESS ** min(overdue, _LONGEST_QUIET), growth + _FASTEST * rate)
        self.kept = max(self.kept, rate + growth * elapsed)
        return rate + growth * elapsed


def limited(facts: Facts, now: float, known: float) -> Rate:
    """The regime of a limited rate, of which `known` is what was achieved last."""
    return (Shared if facts.shared else Rate)(facts, now, known)


@define
class Cap(Regime):
    """What is live is limited."""

    ceiling: Ceiling
    width: int  # so much may be live
    held: int = field(default=0, init=False)  # the width before it was last lifted
    entered: int = field(default=0, init=False)
    since_try: int = field(default=0, init=False)  # acceptances since one more was last tried
    successes: int = field(default=0, init=False)  # of such tries, in a row
    trial: Sent | None = field(default=None, init=False)
    hope: int = field(default=0, init=False)  # tries that are to cost half
    doubt: float = field(default=0.0, init=False)  # how much was refused of late that a cap does not explain

    def __attrs_post_init__(self) -> None:
        self.held = self.entered = self.width

    @property
    def name(self) -> str:
        """With what is capped."""
        return f"cap on {self.ceiling.kind.name}"

    @property
    def capped(self) -> bool:
        """It does."""
        return True

    @property
    def climbing(self) -> bool:
        """Whether tries have succeeded often enough to be believed."""
        return self.successes >= self.ceiling.kind.successes

    def room(self) -> bool:
        """As wide as the cap, and one more when it is time to try."""
        level, kind = self.facts.level(self.ceiling.kind), self.ceiling.kind
        if level == self.width:
            return self.climbing or (self.since_try >= kind.try_next if self.successes else self.ceiling.owed == 0)
        return level < self.width

    def sent(self, sent: Sent) -> None:
        """Remember which request tries one more."""
        if sent.level(self.ceiling.kind) < self.width:
            return
        self.since_try, self.trial = 0, sent
        if not self.successes:
            self.held = self.width

    def accepted(self, sent: Sent, now: float, *, reopened: bool) -> Regime:
        """Lift the cap by each try that succeeds, and try on."""
        facts = self.facts
        facts.pace(max(0.995 * facts.pacer.rate, (_CLIMB if self.climbing else _REFILL) * facts.goodput.rate(now)))
        self.since_try += 1
        self.doubt *= 1 - 1 / self.ceiling.kind.memory
        if sent is self.trial:
            self.trial = None
            self.successes += 1
            self.width += self.climbing
        return self

    def refused(self, sent: Sent, now: float, refusal: Refusal) -> Regime:
        """End a climb, lower the cap, or leave it when it explains too little."""
        level, lifted, tried = sent.level(self.ceiling.kind), self.climbing, self.trial is not None
        self.trial, self.successes = None, 0
        if lifted and level >= self.held:
            self._discount()
            luck = ceil(self.ceiling.kind.luck * self.held)
            self.width = self.held if level <= self.held + luck else level
            if self.ceiling.kind is REQUESTS:  # these end within a second: what succeeds and then does not is no cap
                self.doubt += _UNEXPLAINED
            return self
        if level >= self.width - tried:  # the try itself, or one that it overtook
            self._discount()
            return self
        if refusal is Refusal.FIRST:
            self.doubt += _UNEXPLAINED
        if self.facts.by_minute or 2 * level < self.entered or self.doubt > _DOUBT:
            return self._leave(now)
        if refusal is Refusal.AGAIN:  # the cap itself was lowered: step down, and feel the way up again
            self.width, self.successes = max(int(_STEP_DOWN * level), 1), self.ceiling.kind.successes
            self.ceiling.owed, self.hope = self.ceiling.kind.price // 2, _HOPE
            self.held = 0  # nothing is known to hold, so that the climb from here gives nothing back
        else:
            self.width = self.held = max(level, 1)
        return self

    def _discount(self) -> None:
        if self.hope:
            self.hope -= 1
            self.ceiling.owed //= 2

    def _leave(self, now: float) -> Regime:
        """This was no cap, or it is one no longer."""
        facts = self.facts
        facts.barred, facts.bar = now + facts.bar, 2 * facts.bar
        self.ceiling.forget()
        facts.pace(facts.goodput.rate(now))
        return limited(facts, now, facts.pacer.rate)
