"""The three regimes of the governor; see `omniedit.core.governor` for the rules in full.

Rules of this room:

- A regime steers the pacer and says how much may be on its way. It learns from acceptances and from refusals that open
  or prolong an episode, and answers each with the regime that is in force from then on: itself, or its successor.
- `Ramp` ends with the first refusal. `Rate` and `Cap` can follow each other as often as the evidence asks for it.
"""

from __future__ import annotations

from math import exp, inf
from typing import Protocol

from attrs import define, field

from omniedit.core.ceiling import REQUESTS, TASKS, Ceiling, Kind
from omniedit.core.pacing import MINUTE, Goodput, Pacer
from omniedit.core.pause import Refusal

__all__ = ["Cap", "Facts", "Ramp", "Rate", "Regime", "Sent", "Window"]

_START_RATE = 2.0
_LEAST_RATE = 1 / 7200
_STATED_SHARE = 0.98  # of a stated rate: leaves 1.2 s a minute for requests that arrive closer than they left


@define
class Sent:
    """A request that left: when, what was on its way then, and whether the pacer had held it back."""

    at: float
    requests: int
    tasks: int
    paced: bool

    def level(self, kind: Kind) -> int:
        """What was live of a kind just before it left."""
        return self.requests if kind is REQUESTS else self.requests + self.tasks


class Facts:
    """What all regimes know of a lane."""

    __slots__ = (
        "accepted",
        "asked",
        "barred",
        "by_minute",
        "ceilings",
        "ended",
        "goodput",
        "max_rate",
        "pacer",
        "requests",
        "started",
        "tasks",
    )

    def __init__(self, now: float, max_rate: float | None) -> None:
        self.started = now
        self.max_rate = max_rate
        self.pacer = Pacer(_START_RATE)
        self.pace(_START_RATE)
        self.goodput = Goodput(now)
        self.ceilings = (Ceiling(TASKS), Ceiling(REQUESTS))
        self.requests = 0  # on their way
        self.tasks = 0  # unfinished, as far as is known
        self.accepted = 0
        self.ended = 0
        self.barred = -inf
        self.by_minute = False
        self.asked = 0.0

    def level(self, kind: Kind) -> int:
        return self.requests if kind is REQUESTS else self.requests + self.tasks

    def pace(self, rate: float) -> None:
        bound = inf if self.max_rate is None else self.max_rate * _STATED_SHARE
        self.pacer.rate = max(_LEAST_RATE, min(rate, bound))


class Regime(Protocol):
    """How a lane is steered."""

    @property
    def name(self) -> str: ...

    @property
    def capped(self) -> bool: ...

    def room(self) -> bool:
        """Whether one more request may be on its way."""
        ...

    def sent(self, sent: Sent) -> None: ...

    def accepted(self, sent: Sent, now: float, *, reopened: bool) -> Regime: ...

    def refused(self, sent: Sent, now: float, refusal: Refusal) -> Regime: ...


@define
class Ramp:
    """Nothing is known yet."""

    facts: Facts
    name: str = "ramp"
    capped: bool = False

    def room(self) -> bool:
        return self.facts.requests < 4 + self.facts.accepted // 16

    def sent(self, sent: Sent) -> None:
        pass

    def accepted(self, sent: Sent, now: float, *, reopened: bool) -> Regime:
        if sent.paced:
            self.facts.pace(self.facts.pacer.rate + 0.125)
        return self

    def refused(self, sent: Sent, now: float, refusal: Refusal) -> Regime:
        if not self.facts.accepted:
            return self
        return Rate(self.facts, self.facts.started, known=self.facts.pacer.rate, taken=self.facts.accepted).refused(
            sent, now, refusal
        )


def tick(rate: float, asked: float) -> float:
    return max(TICK_LEAST, min(TICK_MOST, TICK_N / rate), COST * asked)


COST = 10.0


TICK_LEAST = 45.0
TICK_N = 45.0
GAIN = 0.06  # requests/s per tick
GAIN_LOW = 0.015
RECENT = 10.0
GAIN_HIGH = 0.06
BOLD = 0.15  # requests/s per tick and root of the rate
CUT = 0.15
PULL = 12.0
TICK_MOST = 300.0
STEEP = 16.0
TOP = 1.2


@define
class Rate:
    """The rate is limited."""

    facts: Facts
    since: float  # when the cycle began
    known: float
    quiet: float = 0.0  # ticks of the probing clock since the last refusal
    grown: float = -inf
    taken: int = 0
    sends: int = 0
    paced: int = 0
    first: bool = True
    failed: float = 0.0
    name: str = "rate"
    capped: bool = False

    def room(self) -> bool:
        return True

    def sent(self, sent: Sent) -> None:
        self.sends += 1
        self.paced += sent.paced

    def accepted(self, sent: Sent, now: float, *, reopened: bool) -> Regime:
        self.taken += 1
        if reopened:
            self._reopen(sent.at, (self.failed + sent.at) / 2, now)
        if sent.paced:
            self._grow(now)
        return self

    def refused(self, sent: Sent, now: float, refusal: Refusal) -> Regime:
        if refusal is not Refusal.FIRST:
            self.failed = sent.at
            return self
        self.failed = sent.at
        facts = self.facts
        for ceiling in facts.ceilings:
            cap = ceiling.opened(sent.level(ceiling.kind), facts.ended)
            if cap is not None and now >= facts.barred and not facts.by_minute:
                return Cap(facts, ceiling, cap)
        facts.pace(facts.pacer.rate * (1 - CUT))
        self.quiet = 0.0
        return self

    def _reopen(self, left: float, at: float, now: float) -> None:
        facts, rate = self.facts, self.facts.pacer.rate
        span = max(at - self.since, 0.1)
        achieved = self.taken / span
        if span > MINUTE:
            achieved = max(achieved, facts.goodput.rate(now))
        if rate > 1.1 * self.known:
            achieved = max(achieved, 0.8 * rate)
        if self.first:
            achieved = max(achieved, facts.goodput.recent(self.failed, min(RECENT, max(span / 3, 1.0))))
        if self.paced * 2 >= self.sends:
            facts.pace(min(rate, achieved))
            self.known = facts.pacer.rate
        facts.pacer.restart(left)
        self.since = self.grown = at
        self.taken = self.sends = self.paced = 0
        self.first = False

    def _grow(self, now: float) -> None:
        facts, rate = self.facts, self.facts.pacer.rate
        elapsed, self.grown = min(now - self.grown, 5 / rate + 1), now
        goodput = facts.goodput.rate(now)
        if rate < goodput:
            rate += (goodput - rate) * (1 - exp(-elapsed / PULL))
        if rate >= 0.97 * goodput:
            ticks = elapsed / tick(rate, facts.asked)
            self.quiet += ticks
            gain = max(GAIN_LOW, min(GAIN / rate, GAIN_HIGH))
            if self.quiet > 1:
                gain = max(gain, min(TOP, max(gain, 0.02) * STEEP ** (self.quiet - 1)))
            if facts.by_minute:
                gain = max(gain, BOLD / rate**0.5)
            rate *= 1 + gain * ticks
        facts.pace(rate)


@define
class Window:
    """The service says how much is left, and until when."""

    facts: Facts
    name: str = "window"
    capped: bool = False

    def room(self) -> bool:
        return True

    def sent(self, sent: Sent) -> None:
        pass

    def accepted(self, sent: Sent, now: float, *, reopened: bool) -> Regime:
        return self

    def refused(self, sent: Sent, now: float, refusal: Refusal) -> Regime:
        return self


SUCCESSES = 3


@define
class Cap:
    """What is live is limited."""

    facts: Facts
    ceiling: Ceiling
    width: int
    held: int = 0
    entry: int = 0
    since_probe: int = 0
    successes: int = 0
    probe: Sent | None = None
    shrunk: float = -inf
    name: str = field(init=False)
    capped: bool = True

    def __attrs_post_init__(self) -> None:
        self.name = f"cap on {self.ceiling.kind.name}"
        self.held = self.entry = self.width

    def room(self) -> bool:
        level, after = self.facts.level(self.ceiling.kind), self.ceiling.kind.probe_after
        if level == self.width:
            return self.since_probe >= (after // 15 if self.successes else after)
        return level < self.width

    def sent(self, sent: Sent) -> None:
        if sent.level(self.ceiling.kind) >= self.width:
            self.since_probe = 0
            self.probe = sent
            if not self.successes:
                self.held = self.width

    def accepted(self, sent: Sent, now: float, *, reopened: bool) -> Regime:
        facts, level = self.facts, sent.level(self.ceiling.kind)
        facts.pace(max(0.995 * facts.pacer.rate, 2 * facts.goodput.rate(now)))
        self.since_probe += 1
        if sent is self.probe:
            self.probe = None
            self.successes += 1
        if self.successes >= SUCCESSES and level >= self.width - 1 and sent.at > self.shrunk:
            self.width = max(self.width, level) + 1
        return self

    def refused(self, sent: Sent, now: float, refusal: Refusal) -> Regime:
        level = sent.level(self.ceiling.kind)
        failed, self.probe = self.probe, None
        self.successes = 0
        self.shrunk = now
        if level >= self.width - (failed is not None):
            return self
        if self.facts.by_minute or 2 * level < self.entry:
            self.facts.barred = now + 300
            self.ceiling.forget()
            self.facts.pace(self.facts.goodput.rate(now))
            return Rate(self.facts, now, known=self.facts.pacer.rate)
        if self.held <= level <= 1.1 * self.held + 1:
            self.width = self.held
        else:
            self.width = self.held = max(1, level)
        return self
