"""What is measured in a simulated run, and how it is judged."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Sequence
from functools import cache

from benchmarks.simulate import peers
from benchmarks.simulate.limits import Both, RequestCap, TaskCap
from benchmarks.simulate.shapes import BY_NAME, STATED, Shape
from benchmarks.simulate.world import Controller, Draw, Trace, World

HOUR = 3600
FOUR, EIGHT = [0.0, 60.0, 120.0, 180.0], [0.0] * 8  # s: when processes of one key begin
LONGEST = 600  # s from one change of a limit to the next, at least
Make = Callable[[random.Random, float], Controller]


def governed(rng: random.Random, start: float) -> Controller:
    """The governor as it is."""
    return peers.Governed(rng, start)


def told(rng: random.Random, start: float) -> Controller:
    """The governor that was told of others who use the key."""
    return peers.Governed(rng, start, shared=True)


def fixed(share: float) -> Callable[[Shape], Make]:
    """A rate chosen beforehand, so many times the true one."""
    return lambda shape: lambda _, __: peers.FixedRate(share * (shape.capacity(HOUR) - shape.capacity(0)) / HOUR)


PEERS: dict[str, Make] = {
    "semaphore": lambda rng, _: peers.Semaphore(rng),
    "AIMD": lambda _, __: peers.Aimd(),
    "CUBIC": lambda _, __: peers.Cubic(),
    "botocore adaptive": lambda _, __: peers.Botocore(),
}
FIXED = {"fixed, half of the limit": fixed(0.5), "fixed, 1.5 times the limit": fixed(1.5)}


def run(
    shape: Shape,
    make: Make,
    seed: int,
    *,
    seconds: float = HOUR,
    starts: Sequence[float] = (0.0,),
    changes: Sequence[tuple[float, float]] = (),
    arrivals: Draw | None = None,
) -> World:
    """One run of one or several processes, with endless work or with `arrivals` (the time to the next piece of it)."""
    rng = random.Random(f"{shape.name} {seed}")
    world = World(
        shape.make(),
        [make(rng, start) for start in starts],
        seconds=seconds,
        rng=rng,
        network=shape.network,
        headers=shape.headers,
        starts=list(starts),
        changes=list(changes),
        arrivals=arrivals,
    )
    world.run()
    return world


def capacity(shape: Shape, seed: int, seconds: int) -> float:
    """What an oracle gets through: arithmetic for rates, a run of its own for caps."""
    limit = shape.make()
    if isinstance(limit, TaskCap | RequestCap):
        return _capped(shape.name, seed)[seconds]
    if isinstance(limit, Both):
        return min(shape.capacity(seconds), _capped(shape.name, seed)[seconds])
    return shape.capacity(seconds)


@cache
def _capped(name: str, seed: int) -> dict[int, float]:
    shape = BY_NAME[name]
    limit = shape.make()
    cap = limit.second if isinstance(limit, Both) else limit
    world = World(cap, [peers.CapOracle(cap)], seconds=HOUR, rng=random.Random(f"{name} {seed}"), network=shape.network)
    accepted = world.run()[0].accepted
    return {seconds: sum(accepted[:seconds]) for seconds in (600, shape.seconds, HOUR)}


def steady(shape: Shape, make: Make, seed: int) -> dict[str, float]:
    """One hour of one process from cold, a third of it for busy shapes, with a limit that stays as it is.

    hour, cold: shares of the oracle in all that time and in its first ten minutes; refused: share of all requests;
    undercut: requests that left before a `Retry-After` was over.
    """
    world = run(shape, make, seed, seconds=shape.seconds)
    trace = world.traces[0]
    return {
        "hour": sum(trace.accepted) / capacity(shape, seed, shape.seconds),
        "refused": _refused([trace]),
        "cold": sum(trace.accepted[:600]) / capacity(shape, seed, 600),
        "undercut": sum(getattr(controller, "undercut", 0) for controller in world.controllers),
    }


def stated(shape: Shape, make: Make, seed: int) -> dict[str, float]:
    """One hour of one process that was told the limit."""
    return steady(shape, lambda rng, start: peers.Governed(rng, start, **STATED[shape.name]), seed)


def loaded(shape: Shape, make: Make, seed: int) -> dict[str, float]:
    """The waiting (s) that 99 in 100 requests do not exceed when work comes by chance, at 80 % of the limit.

    The second half hour counts: by then the limit has been met or it never will be.
    """
    rate = 0.8 * (shape.capacity(HOUR) - shape.capacity(0)) / HOUR
    trace = run(shape, make, seed, arrivals=lambda rng: rng.expovariate(rate)).traces[0]
    waits = sorted(trace.waits[len(trace.waits) // 2 :])
    return {"p99": waits[int(0.99 * len(waits))], "refused": _refused([trace])}


def _refused(traces: Sequence[Trace]) -> float:
    accepted, refused = (sum(sum(part) for part in parts) for parts in zip(*_counts(traces), strict=True))
    return refused / max(accepted + refused, 1)


def _counts(traces: Sequence[Trace]) -> list[tuple[array[int], array[int]]]:
    return [(trace.accepted, trace.refused) for trace in traces]


def changing(shape: Shape, make: Make, seed: int) -> dict[str, float]:
    """One hour of a limit that halves at 15 minutes, doubles at 30 and again at 45.

    refusals: in the minute after the limit has halved; halved, doubled, doubled_again: seconds until within 10 % of
    the new limit: at least 90 % of it used and, after the halving, at most 10 % of the requests refused.
    """
    chance = random.Random(f"changes {seed}")
    halved, doubled, again = (minute * 60 + chance.randrange(-150, 150) for minute in (15, 30, 45))
    trace = run(shape, make, seed, changes=[(halved, 0.5), (doubled, 2.0), (again, 2.0)]).traces[0]
    return {
        "refused": _refused([trace]),
        "refusals": sum(trace.refused[halved : halved + 60]),
        "halved": _reaches(shape, trace, halved, 0.5, span=60),
        "doubled": _reaches(shape, trace, doubled, 1.0, span=20),
        "doubled_again": _reaches(shape, trace, again, 2.0, span=20),
    }


def _reaches(shape: Shape, trace: Trace, since: int, scale: float, span: int) -> float:
    """Seconds until a span of so many is good enough; `LONGEST` when it never is before the next change."""
    for start in range(since, since + LONGEST - span):
        taken, refused = sum(trace.accepted[start : start + span]), sum(trace.refused[start : start + span])
        if refused <= 0.1 * (taken + refused) and _good(shape, trace, start, span, scale, taken):
            return start - since
    return LONGEST


def _good(shape: Shape, trace: Trace, start: int, span: int, scale: float, taken: int) -> bool:
    limit = shape.make()
    if isinstance(limit, TaskCap):
        levels = [level for level in trace.level[start : start + span] if level]
        return bool(levels) and sum(levels) / len(levels) >= 0.9 * limit.size * scale
    rate = (shape.capacity(HOUR, scale) - shape.capacity(0, scale)) / HOUR
    return taken >= 0.9 * rate * span


def shared(shape: Shape, make: Make, seed: int, starts: Sequence[float]) -> dict[str, float]:
    """One hour of several processes on one key that do not know of each other.

    jain: Jain's index of their shares over the second half hour, 1 when all got the same; total: their share of the
    oracle in that time; refused: of all requests of the hour.
    """
    traces = run(shape, make, seed, starts=starts).traces
    shares = [sum(trace.accepted[1800:]) for trace in traces]
    return {
        "jain": sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares)) if sum(shares) else 0.0,
        "refused": _refused(traces),
        "total": sum(shares) / (capacity(shape, seed, HOUR) / 2),
    }
