"""What is measured in a simulated run, and how it is judged."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from benchmarks.simulate import peers
from benchmarks.simulate.limits import Both, RequestCap, TaskCap
from benchmarks.simulate.shapes import BY_NAME, Shape
from benchmarks.simulate.world import Controller, Trace, World

HOUR = 3600
Make = Callable[[random.Random, float], Controller]


def governed(rng: random.Random, start: float) -> Controller:
    """The governor as it is."""
    return peers.Governed(rng, start)


PEERS: dict[str, Make] = {
    "semaphore": lambda rng, _: peers.Semaphore(rng),
    "aimd": lambda _, __: peers.Aimd(),
    "cubic": lambda _, __: peers.Cubic(),
    "botocore": lambda _, __: peers.Botocore(),
}


def run(
    shape: Shape,
    make: Make,
    seed: int,
    *,
    seconds: float = HOUR,
    starts: Sequence[float] = (0.0,),
    changes: Sequence[tuple[float, float]] = (),
) -> list[Trace]:
    """One run of one or several processes with endless work."""
    rng = random.Random(f"{shape.name} {seed}")
    controllers = [make(rng, start) for start in starts]
    world = World(
        shape.make(),
        controllers,
        seconds=seconds,
        rng=rng,
        network=shape.network,
        headers=shape.headers,
        starts=list(starts),
        changes=list(changes),
    )
    return world.run()


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
    return {seconds: sum(accepted[:seconds]) for seconds in (600, HOUR)}


@dataclass
class Steady:
    """A limit that stays as it is, one process."""

    hour: float  # share of the oracle
    refused: float  # share of all requests
    cold: float  # share of the oracle in the first ten minutes


def steady(shape: Shape, make: Make, seed: int) -> Steady:
    """One hour from cold."""
    trace = run(shape, make, seed)[0]
    accepted, refused = sum(trace.accepted), sum(trace.refused)
    return Steady(
        hour=accepted / capacity(shape, seed, HOUR),
        refused=refused / max(accepted + refused, 1),
        cold=sum(trace.accepted[:600]) / capacity(shape, seed, 600),
    )


@dataclass
class Change:
    """A limit that halves at 15 minutes, doubles at 30 and again at 45."""

    hour_refused: float
    halved_refusals: int  # in the minute after
    halved_seconds: float  # until 90 % of the new oracle with less than 5 % refused
    doubled_seconds: float  # until 90 % of the new limit
    doubled_again_seconds: float


def changing(shape: Shape, make: Make, seed: int) -> Change:
    """One hour with three changes."""
    trace = run(shape, make, seed, changes=[(900, 0.5), (1800, 2.0), (2700, 2.0)])[0]
    accepted, refused = sum(trace.accepted), sum(trace.refused)
    return Change(
        hour_refused=refused / max(accepted + refused, 1),
        halved_refusals=sum(trace.refused[900:960]),
        halved_seconds=_reaches(shape, trace, 900, 0.5, quiet=True),
        doubled_seconds=_reaches(shape, trace, 1800, 1.0, quiet=False),
        doubled_again_seconds=_reaches(shape, trace, 2700, 2.0, quiet=False),
    )


def _reaches(shape: Shape, trace: Trace, since: int, scale: float, *, quiet: bool) -> float:
    """Seconds until the next half minute is good enough; 900 when it never is before the next change."""
    span = 60 if quiet else 20
    for start in range(since, since + 900 - span):
        taken, refused = sum(trace.accepted[start : start + span]), sum(trace.refused[start : start + span])
        if quiet and refused > 0.05 * (taken + refused):
            continue
        if _good(shape, trace, start, span, scale, taken):
            return start - since
    return 900


def _good(shape: Shape, trace: Trace, start: int, span: int, scale: float, taken: int) -> bool:
    limit = shape.make()
    if isinstance(limit, TaskCap):
        levels = [level for level in trace.level[start : start + span] if level]
        return bool(levels) and sum(levels) / len(levels) >= 0.9 * limit.size * scale
    rate = (shape.capacity(HOUR, scale) - shape.capacity(0, scale)) / HOUR
    return taken >= 0.9 * rate * span


@dataclass
class Shared:
    """Several processes that do not know of each other."""

    jain: float  # over the second half hour
    refused: float
    total: float  # share of the oracle over the second half hour


def shared(shape: Shape, make: Make, seed: int, starts: Sequence[float]) -> Shared:
    """One hour of several processes on one key."""
    traces = run(shape, make, seed, starts=starts)
    shares = [sum(trace.accepted[1800:]) for trace in traces]
    accepted, refused = sum(sum(trace.accepted) for trace in traces), sum(sum(trace.refused) for trace in traces)
    half = capacity(shape, seed, HOUR) / 2
    return Shared(
        jain=sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares)) if sum(shares) else 0.0,
        refused=refused / (accepted + refused),
        total=sum(shares) / half,
    )
