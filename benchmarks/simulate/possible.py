"""What could be had where a bar cannot be met: the best that keeps the other rules, for the shapes that need it.

- A `Retry-After` that is three times too long is kept all the same. The best there is meets the limit once, by the
  governor's own ramp, waits as it was asked to, and knows the limit from then on.
- Where requests travel unevenly, more of them meet at times than a small bucket holds, however evenly they left. The
  best there is knows the limit and leaves evenly, as fast as may be with 2 % refused.
- Whether a cap has doubled is only found by a try, and each that fails is a refusal. The best there is spends all of
  2 % on tries, is half of the time between two of them late, and fills the new room at once.
"""

from __future__ import annotations

import random
from statistics import mean

from benchmarks.simulate import peers
from benchmarks.simulate.limits import FixedWindow, TaskCap
from benchmarks.simulate.measure import HOUR, Make, governed, run, steady
from benchmarks.simulate.shapes import BY_NAME, HELD_OUT, TUNED, Shape
from benchmarks.simulate.world import typical_task

__all__ = ["POSSIBLE", "possible"]

POSSIBLE = "possible"
REFUSED = 0.02
UNEVEN = ("tb 15/s burst 5 slow network", "tb 8/s burst 4 slow network", "tb 12/s burst 6 slow network")
Measures = dict[str, tuple[float, float, float]]


class Undeterred(peers.FixedRate):
    """A constant rate that pauses for nothing."""

    def refused(self, sent: float, now: float, headers: dict[str, str]) -> None:
        self.flying -= 1


def possible(seeds: int) -> dict[str, dict[str, Measures]]:
    """By kind of run and shape."""
    long = BY_NAME["fw 300 RA long"]
    uneven = [shape for shape in TUNED if shape.name in UNEVEN]
    new = [shape for shape in HELD_OUT if shape.name in UNEVEN]
    cap = BY_NAME["tasks 40"]
    return {
        "steady": {
            long.name: _spread([_met_once(long, seed) for seed in range(seeds)]),
        }
        | {shape.name: _evenly(shape, seeds) for shape in uneven},
        "held-out": {shape.name: _evenly(shape, seeds) for shape in new},
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
