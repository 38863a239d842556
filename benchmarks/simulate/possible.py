"""What could be had where a bar cannot be met: the best that keeps the other rules, for the shapes that need it.

- A `Retry-After` that is three times too long is kept all the same. The best there is meets the limit once, by the
  governor's own ramp, waits as it was asked to, and knows the limit from then on.
- Where requests travel unevenly, more of them meet at times than a small bucket holds, however evenly they left. The
  best there is knows the limit and leaves evenly, as fast as may be with 2 % refused.
- Processes that share a slow limit, or a cap, learn of each other by a refusal in a minute or more each. A rule that
  makes equals of them in half an hour gives much of its rate away at each, and grows by the same for all. Alone, it
  leaves what it gives away unused: one rule can hardly have both.
- Whether a cap has doubled is only found by a try, and each that fails is a refusal. The best there is spends all of
  2 % on tries, is half of the time between two of them late, and fills the new room at once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from math import inf
from statistics import mean

from benchmarks.simulate import peers
from benchmarks.simulate.limits import FixedWindow, TaskCap
from benchmarks.simulate.measure import EIGHT, FOUR, HOUR, Make, governed, run, shared, steady
from benchmarks.simulate.shapes import BY_NAME, HELD_OUT, TUNED, Shape
from benchmarks.simulate.world import typical_task

__all__ = ["POSSIBLE", "possible"]

POSSIBLE = "possible"
REFUSED = 0.02
UNEVEN = (
    "tb 15/s burst 5 slow network",
    "tb 8/s burst 4 slow network",
    "tb 12/s burst 6 slow network",
    "tb 10/s burst 5 slow network",
)
ALONE = "alone"
Measures = dict[str, tuple[float, float, float]]


class Undeterred(peers.FixedRate):
    """A constant rate that pauses for nothing."""

    def refused(self, sent: float, now: float, headers: dict[str, str]) -> None:
        self.flying -= 1


class Giving(peers.Paced):
    """Made for company: a third off at each refusal, and growth by the same for all, the faster the fewer are refused.

    Processes of one key see the same share `p` of their requests refused, and so come to one rate, at which both make
    up for each other: `sqrt(GROWTH / CUT) / p`. In a row of refusals it asks with one request at a time, after pauses
    that triple.
    """

    CUT = 1 / 3
    GROWTH = 4e-6  # requests/s a second, over the share refused
    MEMORY = 300  # requests
    LEAST = 0.003  # the share refused that is taken for granted

    def __init__(self, start: float) -> None:
        super().__init__(1.0)
        self.grown, self.share, self.row = start, 0.01, 0

    def when(self, now: float) -> float:
        return inf if self.row and self.flying else super().when(now)

    def accepted(self, sent: float, now: float, headers: dict[str, str]) -> None:
        self.share -= self.share / self.MEMORY
        self.row *= sent <= self.reacted
        super().accepted(sent, now, headers)

    def refused(self, sent: float, now: float, headers: dict[str, str]) -> None:
        self.share += (1 - self.share) / self.MEMORY
        if sent > self.reacted:
            self.until = max(self.until, now + min(1 / self.rate, 30.0) * 3 ** min(self.row, 3))
            self.row += 1
        super().refused(sent, now, headers)

    def grow(self, now: float) -> None:
        self.rate += self.GROWTH / max(self.share, self.LEAST) * min(now - self.grown, 5 / self.rate)
        self.grown = now

    def cut(self, now: float) -> None:
        self.rate *= 1 - self.CUT if self.row == 1 else 1.0


def possible(seeds: int) -> dict[str, dict[str, Measures]]:
    """By kind of run and shape."""
    long = BY_NAME["fw 300 RA long"]
    uneven = [shape for shape in TUNED if shape.name in UNEVEN]
    new = [shape for shape in HELD_OUT if shape.name in UNEVEN]
    cap = BY_NAME["tasks 40"]
    slow = [cap, BY_NAME["tb 2/s RA short"], BY_NAME["tb 1/s"]]
    return {
        "steady": {long.name: _spread([_met_once(long, seed) for seed in range(seeds)])}
        | {shape.name: _evenly(shape, seeds) for shape in uneven},
        "held-out": {shape.name: _evenly(shape, seeds) for shape in new},
        "four processes": {shape.name: _given(shape, seeds, FOUR) for shape in slow},
        "eight processes": {shape.name: _given(shape, seeds, EIGHT) for shape in slow},
        "changing": {cap.name: _spread([{"doubled": _late(cap, 0.5), "doubled_again": _late(cap, 1.0)}])},
    }


def _met_once(shape: Shape, seed: int) -> dict[str, float]:
    trace = run(shape, governed, seed, seconds=300).traces[0]
    met = next(second for second, refused in enumerate(trace.refused) if refused)
    limit = shape.make()
    assert isinstance(limit, FixedWindow)
    left = limit.span - (met + limit.span - limit.phase) % limit.span
    resumed = met + 3 * (int(left) + 1)
    window = resumed - (resumed - limit.phase) % limit.span  # all of it can be used from then on
    taken = sum(trace.accepted[: met + 1])
    return {
        name: (taken + limit.size * (seconds - window) / limit.span) / shape.capacity(seconds)
        for name, seconds in (("hour", shape.seconds), ("cold", 600))
    }


def _evenly(shape: Shape, seeds: int) -> Measures:
    limit = (shape.capacity(HOUR) - shape.capacity(0)) / HOUR
    best: Measures = {}
    for share in (0.80, 0.82, 0.84, 0.86, 0.88, 0.90, 0.92, 0.94):
        found = _spread([steady(shape, _at(share * limit), seed) for seed in range(seeds)])
        if found["refused"][0] <= REFUSED:
            best = {name: found[name] for name in ("hour", "cold")}
    return best


def _given(shape: Shape, seeds: int, starts: Sequence[float]) -> Measures:
    """Processes that share a limit, and one of them alone."""
    together = _spread([shared(shape, _giving, seed, starts) for seed in range(seeds)])
    return together | {ALONE: _alone(shape, seeds)}


@cache
def _alone(shape: Shape, seeds: int) -> tuple[float, float, float]:
    return _spread([steady(shape, _giving, seed) for seed in range(seeds)])["hour"]


def _giving(_: random.Random, start: float) -> Giving:
    return Giving(start)


def _at(rate: float) -> Make:
    return lambda _, __: Undeterred(rate)


def _late(shape: Shape, scale: float) -> float:
    limit = shape.make()
    assert isinstance(limit, TaskCap)
    rng = random.Random(shape.name)
    lasts = mean(typical_task(rng) + shape.network.look(rng) for _ in range(100_000))
    return lasts / (limit.size * scale) / REFUSED / 2


def _spread(found: list[dict[str, float]]) -> Measures:
    columns = {name: [each[name] for each in found] for name in found[0]}
    return {name: (mean(values), min(values), max(values)) for name, values in columns.items()}
