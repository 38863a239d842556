"""The limits to be learned: those the rules were tuned on, and those they never met before they were measured.

A shape is a limit, what the service says in its headers, and how long tasks take.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.simulate.limits import (
    Both,
    FixedWindow,
    Limit,
    RequestCap,
    SlidingCounter,
    SlidingLog,
    TaskCap,
    TokenBucket,
)
from benchmarks.simulate.world import Headers, Network, no_headers


def retry_after(limit: Limit, now: float, refused: bool) -> dict[str, str]:
    """An honest `Retry-After`, in whole seconds as most services send it."""
    return {"retry-after": str(int(limit.wait(now)) + 1)} if refused else {}


def retry_after_short(limit: Limit, now: float, refused: bool) -> dict[str, str]:
    """A service that always says one second."""
    return {"retry-after": "1"} if refused else {}


def retry_after_long(limit: Limit, now: float, refused: bool) -> dict[str, str]:
    """A service that says three times as long as it takes."""
    return {"retry-after": str(3 * int(limit.wait(now) + 1))} if refused else {}


def rate_limit(limit: Limit, now: float, refused: bool) -> dict[str, str]:
    """Honest `RateLimit` headers on every reply, in the form of the current draft, and `Retry-After`."""
    remaining, reset = limit.remaining(now)
    stated = {"ratelimit": f'"default";r={remaining};t={int(reset) + 1}'}
    return stated | retry_after(limit, now, refused)


def x_rate_limit(limit: Limit, now: float, refused: bool) -> dict[str, str]:
    """The common three fields."""
    remaining, reset = limit.remaining(now)
    return {"x-ratelimit-remaining": str(remaining), "x-ratelimit-reset": str(int(reset) + 1)}


def wider_limit(limit: Limit, now: float, refused: bool) -> dict[str, str]:
    """Headers of another, much wider limit: true, and no help."""
    return {"ratelimit": f'"hourly";r={max(100_000 - int(10 * now), 0)};t={3600 - int(now)}'}


@dataclass(frozen=True)
class Shape:
    """One kind of service."""

    name: str
    make: Callable[[], Limit]
    headers: Headers = no_headers
    network: Network = Network()

    @property
    def capped(self) -> bool:
        """Whether something else than the rate is limited."""
        return isinstance(self.make(), TaskCap | RequestCap | Both)

    @property
    def busy(self) -> bool:
        """Whether an hour of it is more than ten thousand requests: chance has little to say then."""
        limit = self.make()
        return isinstance(limit, RequestCap) or (not self.capped and self.capacity(3600) > 10_000)

    @property
    def seconds(self) -> int:
        """How long a run of it lasts: twenty minutes where that is thousands of requests, and enough to settle."""
        return 1200 if self.busy and self.name not in SLOW_TO_SETTLE else 3600

    def capacity(self, seconds: float, scale: float = 1.0) -> float:
        """Requests an oracle gets through in so long a time, for limits on the rate."""
        limit = self.make()
        limit.scale(scale, 0.0)
        match limit:
            case TokenBucket(rate=rate, burst=burst) | Both(first=TokenBucket(rate=rate, burst=burst)):
                return rate * seconds + burst
            case (
                FixedWindow(size=size, span=span)
                | SlidingLog(size=size, span=span)
                | SlidingCounter(size=size, span=span)
            ):
                return size * seconds / span
            case _:
                raise TypeError(limit)


def _slow_way(rng: random.Random) -> float:
    return 0.1 + rng.lognormvariate(-1.0, 0.8)


def _quick_task(rng: random.Random) -> float:
    return rng.lognormvariate(3.0, 0.6)


def _long_task(rng: random.Random) -> float:
    return rng.choice([60.0, 240.0, 300.0]) * rng.lognormvariate(0.0, 0.2)


def _even_task(rng: random.Random) -> float:
    return rng.gammavariate(8.0, 5.0)


def _even_work(rng: random.Random) -> float:
    return rng.uniform(0.5, 1.5)


def _slow_work(rng: random.Random) -> float:
    return rng.lognormvariate(0.7, 0.4)


RA, SHORT, LONG, RL, XRL = retry_after, retry_after_short, retry_after_long, rate_limit, x_rate_limit
WIDER = wider_limit
SLOW = Network(way=_slow_way)

TUNED = [
    Shape("tb 10/s", lambda: TokenBucket(10, 10)),
    Shape("tb 10/s RA", lambda: TokenBucket(10, 10), RA),
    Shape("tb 1/s", lambda: TokenBucket(1, 5)),
    Shape("tb 1/s RA", lambda: TokenBucket(1, 5), RA),
    Shape("tb 2/s RA short", lambda: TokenBucket(2, 10), SHORT),
    Shape("tb 0.2/s", lambda: TokenBucket(0.2, 3)),
    Shape("tb 30/s", lambda: TokenBucket(30, 60)),
    Shape("tb 5/s burst 100", lambda: TokenBucket(5, 100)),
    Shape("tb 10/s headers", lambda: TokenBucket(10, 10), RL),
    Shape("fw 600", lambda: FixedWindow(600)),
    Shape("fw 600 RA", lambda: FixedWindow(600), RA),
    Shape("fw 600 RA short", lambda: FixedWindow(600), SHORT),
    Shape("fw 600 headers", lambda: FixedWindow(600), RL),
    Shape("fw 60", lambda: FixedWindow(60)),
    Shape("fw 60 RA", lambda: FixedWindow(60), RA),
    Shape("fw 60 headers", lambda: FixedWindow(60), XRL),
    Shape("fw 300 RA long", lambda: FixedWindow(300), LONG),
    Shape("sl 600", lambda: SlidingLog(600)),
    Shape("sl 600 RA", lambda: SlidingLog(600), RA),
    Shape("sl 600 headers", lambda: SlidingLog(600), RL),
    Shape("sl 60", lambda: SlidingLog(60)),
    Shape("sl 60 RA", lambda: SlidingLog(60), RA),
    Shape("sl 1200", lambda: SlidingLog(1200)),
    Shape("tasks 40", lambda: TaskCap(40)),
    Shape("tasks 40 RA", lambda: TaskCap(40), RA),
    Shape("tasks 10", lambda: TaskCap(10)),
    Shape("tasks 150", lambda: TaskCap(150)),
    Shape("requests 3", lambda: RequestCap(3)),
    Shape("requests 10", lambda: RequestCap(10)),
    Shape("tb 5/s burst 2", lambda: TokenBucket(5, 2)),
    Shape("tb 3.7/s slow network", lambda: TokenBucket(3.7, 20), network=SLOW),
    Shape("tb 0.5/s RA", lambda: TokenBucket(0.5, 1.5), RA),
    Shape("fw 50 in 10 s", lambda: FixedWindow(50, 10, 3)),
    Shape("fw 100", lambda: FixedWindow(100, 60, 41)),
    Shape("fw 1000 RA slow network", lambda: FixedWindow(1000), RA, network=SLOW),
    Shape("fw 2000 in 1 h", lambda: FixedWindow(2000, 3600, 3600)),
    Shape("sl 200", lambda: SlidingLog(200)),
    Shape("sl 150 RA", lambda: SlidingLog(150), RA),
    Shape("counter 300", lambda: SlidingCounter(300)),
    Shape("counter 900 RA", lambda: SlidingCounter(900), RA),
    Shape("tasks 25, 25 s each", lambda: TaskCap(25), network=Network(task=_quick_task)),
    Shape("tasks 60, 1-5 min", lambda: TaskCap(60), network=Network(task=_long_task)),
    Shape("tasks 5", lambda: TaskCap(5)),
    Shape("requests 6, 2 s each", lambda: RequestCap(6), network=Network(work=_slow_work)),
    Shape("tb 10/s, headers of another limit", lambda: TokenBucket(10, 10), WIDER),
    Shape("tb 5/s and tasks 100", lambda: Both(TokenBucket(5, 10), TaskCap(100))),
    Shape("tb 7/s burst 20", lambda: TokenBucket(7, 20)),
    Shape("tb 0.8/s RA", lambda: TokenBucket(0.8, 3), RA),
    Shape("tb 15/s burst 5 slow network", lambda: TokenBucket(15, 5), network=SLOW),
    Shape("tb 4/s, headers of another limit", lambda: TokenBucket(4, 12), WIDER),
    Shape("fw 250", lambda: FixedWindow(250, 60, 5)),
    Shape("fw 120 in 30 s RA", lambda: FixedWindow(120, 30, 22), RA),
    Shape("fw 400 headers", lambda: FixedWindow(400, 60, 31), XRL),
    Shape("sl 300 RA", lambda: SlidingLog(300), RA),
    Shape("sl 90", lambda: SlidingLog(90)),
    Shape("counter 150", lambda: SlidingCounter(150)),
    Shape("tasks 18, 40 s each", lambda: TaskCap(18), network=Network(task=_even_task)),
    Shape("tasks 80 RA", lambda: TaskCap(80), RA),
    Shape("requests 5, 1 s each", lambda: RequestCap(5), network=Network(work=_even_work)),
    Shape("tb 3/s and tasks 60", lambda: Both(TokenBucket(3, 6), TaskCap(60))),
    Shape("tb 12/s burst 40", lambda: TokenBucket(12, 40)),
    Shape("tb 2.5/s burst 8", lambda: TokenBucket(2.5, 8)),
    Shape("tb 0.4/s", lambda: TokenBucket(0.4, 3)),
    Shape("tb 6/s RA", lambda: TokenBucket(6, 6), RA),
    Shape("tb 8/s burst 4 slow network", lambda: TokenBucket(8, 4), network=SLOW),
    Shape("fw 180 RA", lambda: FixedWindow(180, 60, 41), RA),
    Shape("fw 90 in 20 s", lambda: FixedWindow(90, 20, 7)),
    Shape("fw 500 headers", lambda: FixedWindow(500, 60, 11), XRL),
    Shape("sl 450", lambda: SlidingLog(450)),
    Shape("counter 500", lambda: SlidingCounter(500)),
    Shape("tasks 30, 25 s each", lambda: TaskCap(30), network=Network(task=_quick_task)),
    Shape("tasks 12 RA", lambda: TaskCap(12), RA),
    Shape("requests 8, 1 s each", lambda: RequestCap(8), network=Network(work=_even_work)),
    Shape("tb 4/s and tasks 50", lambda: Both(TokenBucket(4, 8), TaskCap(50))),
    Shape("tb 9/s burst 15", lambda: TokenBucket(9, 15)),
    Shape("tb 1.5/s burst 4", lambda: TokenBucket(1.5, 4)),
    Shape("tb 0.3/s RA", lambda: TokenBucket(0.3, 2), RA),
    Shape("tb 20/s RA", lambda: TokenBucket(20, 30), RA),
    Shape("tb 12/s burst 6 slow network", lambda: TokenBucket(12, 6), network=SLOW),
    Shape("fw 400 RA", lambda: FixedWindow(400, 60, 23), RA),
    Shape("fw 30 in 15 s", lambda: FixedWindow(30, 15, 4)),
    Shape("fw 700 headers", lambda: FixedWindow(700, 60, 47), RL),
    Shape("sl 100 RA", lambda: SlidingLog(100), RA),
    Shape("counter 700", lambda: SlidingCounter(700)),
    Shape("tasks 50, 25 s each", lambda: TaskCap(50), network=Network(task=_quick_task)),
    Shape("tasks 7", lambda: TaskCap(7)),
    Shape("requests 4, 2 s each", lambda: RequestCap(4), network=Network(work=_slow_work)),
    Shape("tb 6/s and tasks 80", lambda: Both(TokenBucket(6, 12), TaskCap(80))),
    Shape("tb 3/s", lambda: TokenBucket(3, 6)),
    Shape("tb 5/s", lambda: TokenBucket(5, 5)),
]

HELD_OUT = [
    Shape("tb 11/s burst 25", lambda: TokenBucket(11, 25)),
    Shape("tb 1.8/s burst 6", lambda: TokenBucket(1.8, 6)),
    Shape("tb 0.6/s RA", lambda: TokenBucket(0.6, 2), RA),
    Shape("tb 25/s RA", lambda: TokenBucket(25, 40), RA),
    Shape("tb 10/s burst 5 slow network", lambda: TokenBucket(10, 5), network=SLOW),
    Shape("fw 350 RA", lambda: FixedWindow(350, 60, 13), RA),
    Shape("fw 40 in 12 s", lambda: FixedWindow(40, 12, 5)),
    Shape("fw 800 headers", lambda: FixedWindow(800, 60, 29), RL),
    Shape("sl 120 RA", lambda: SlidingLog(120), RA),
    Shape("counter 250", lambda: SlidingCounter(250)),
    Shape("tasks 35, 40 s each", lambda: TaskCap(35), network=Network(task=_even_task)),
    Shape("tasks 8", lambda: TaskCap(8)),
    Shape("requests 7, 2 s each", lambda: RequestCap(7), network=Network(work=_slow_work)),
    Shape("tb 5/s and tasks 70", lambda: Both(TokenBucket(5, 10), TaskCap(70))),
]

# Busy, and yet more than a twentieth of twenty minutes goes into finding the limit: these run for the whole hour.
SLOW_TO_SETTLE = {
    "tb 5/s burst 2",
    "fw 50 in 10 s",
    "fw 300 RA long",
    "requests 3",
    "requests 4, 2 s each",
    "requests 5, 1 s each",
    "requests 6, 2 s each",
    "requests 7, 2 s each",
    "requests 8, 1 s each",
    "requests 10",
}
CHANGING = ["tb 10/s", "fw 600", "fw 600 RA", "sl 600", "tasks 40", "tb 1/s"]
SHARED = [
    "tb 10/s",
    "tb 10/s RA",
    "fw 600",
    "fw 600 RA",
    "sl 600",
    "sl 600 RA",
    "tasks 40",
    "tb 5/s",
    "tb 3/s",
    "tb 2/s RA short",
    "tb 1/s",
]
STATED = {
    "tb 10/s": {"max_rate": 10.0},
    "tb 1/s": {"max_rate": 1.0},
    "fw 600": {"max_rate": 10.0},
    "fw 60": {"max_rate": 1.0},
    "sl 600": {"max_rate": 10.0},
    "tasks 40": {"max_tasks": 40},
    "requests 10": {"max_requests": 10},
}
LOADED = ["tb 10/s", "fw 600", "sl 600"]

BY_NAME = {shape.name: shape for shape in TUNED + HELD_OUT}
