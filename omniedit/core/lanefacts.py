"""What is known of one lane of a key: the instruments, what is on its way, and what refusals have taught.

Rules of this room:

- Whoever steers the lane reads and sets it; it decides nothing but whether refusals speak for a cap
  (`omniedit.core.ceiling`), and keeps the pacer within what is stated.
- Rates are requests per second, times monotonic seconds, levels numbers of unfinished tasks or of requests.
"""

from __future__ import annotations

from math import inf

from attrs import define

from omniedit.core.ceiling import REQUESTS, TASKS, Ceiling, Kind
from omniedit.core.pacing import BURST, Goodput, Pacer

__all__ = ["Facts", "RARE", "Sent"]

_BARRED = 300.0  # s without another cap after one that was none; doubled each time
RARE = 0.005  # of the requests: while fewer are refused, a refusal costs little, and is taken for granted at first
_START_RATE = 2.0
_LEAST_RATE = 1 / 7200  # one request in two hours
_MOST_RATE = 1e5
_STATED_SHARE = 0.98  # of a stated rate: leaves 1.2 s a minute for requests that arrive closer than they left
_REFUSED_MEMORY = 1000  # requests


@define(eq=False)
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
        "bar",
        "barred",
        "by_chance",
        "by_minute",
        "ceilings",
        "ended",
        "failed",
        "goodput",
        "judgements",
        "max_rate",
        "pacer",
        "refused_share",
        "requests",
        "shared",
        "spent",
        "started",
        "tasks",
    )

    def __init__(self, now: float, max_rate: float | None, *, shared: bool = False) -> None:
        self.started = now
        self.max_rate = max_rate
        self.shared = shared  # whether it was said that others use the key
        self.pacer = Pacer(_START_RATE)
        self.pace(self.start_rate)
        self.goodput = Goodput(now)
        self.requests = 0  # on their way
        self.tasks = 0  # unfinished, as far as is known
        self.accepted = 0  # requests, ever
        self.ended = 0  # tasks, ever
        self.refused_share = RARE  # of the recent requests; nothing is known to be cheap at first
        self.spent = 0.0  # the share refused of all requests, or of the recent ones once there were many
        self.judgements = 0  # requests that it is the mean of
        self.failed = -inf  # when the last refused request left that counted
        self.asked = 0.0  # the last Retry-After
        self.by_chance = False  # whether the last episode was a refusal by chance
        self.by_minute = False  # whether blocks end at one instant of the minute
        self.ceilings = (Ceiling(TASKS), Ceiling(REQUESTS))
        self.barred = -inf  # until when no cap is believed
        self.bar = _BARRED

    def level(self, kind: Kind) -> int:
        """What is live of a kind."""
        return self.requests if kind is REQUESTS else self.requests + self.tasks

    @property
    def start_rate(self) -> float:
        """Where the ramp begins: half of a stated rate, as the first requests of a service's bucket come closest."""
        return _START_RATE if self.max_rate is None else max(self.max_rate / 2, min(self.max_rate, _START_RATE))

    def pace(self, rate: float) -> None:
        """Set the pacer's rate, within what is stated; a stated rate is kept without bursts."""
        bound = _MOST_RATE if self.max_rate is None else self.max_rate * _STATED_SHARE
        self.pacer.rate = max(min(_LEAST_RATE, bound), min(rate, bound))
        self.pacer.burst = BURST if self.max_rate is None else 1

    def judged(self, *, refused: bool) -> None:
        """Keep count of what became of a request."""
        self.judgements = min(self.judgements + 1, _REFUSED_MEMORY)
        self.spent += (refused - self.spent) / self.judgements
        self.refused_share += (refused - self.refused_share) / _REFUSED_MEMORY
        for ceiling in self.ceilings if refused else ():
            ceiling.refused()

    def find_cap(self, sent: Sent, now: float) -> tuple[Ceiling, int] | None:
        """Weigh whether the episode that this request opens speaks for a cap; polls end with their answer."""
        found = None
        for ceiling in self.ceilings:
            ends = self.ended if ceiling.kind is TASKS else self.ended or self.accepted
            width = ceiling.opened(sent.level(ceiling.kind), ends)
            if width is not None and found is None:
                found = ceiling, width
        return found if now >= self.barred and not self.by_minute else None
