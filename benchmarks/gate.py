"""`python -m benchmarks.gate [--rounds N]`: what the gate and the belief cost, and whether order and turns are kept.

CPU time of this process; its clock is moved by hand, so nothing ever sleeps. A passage is `enter` and the report of
what became of the request, with nobody else there; a grant is one of many waiters being let through, asyncio's own
wake-up included. Asyncio alone is measured beside it: a coroutine that is awaited and a future that is resolved.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median

from benchmarks import tables
from benchmarks.harness import Figure
from omniedit.api.gate import Gate, Lane
from omniedit.core.polling import Belief, Look

PASSAGES = 20_000
CROWDS = (100, 1000, 5000)
CANCELLED = 10_000
LOOKS = 20_000


class EverLater:
    """A clock that moves whenever it is read: fast enough that a pacer at two requests a second holds nobody back."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 0.3
        return self.now

    def utcnow(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


async def passage() -> float:
    """Seconds of CPU of one passage."""
    gate = Gate(clock=EverLater(), jitter=lambda: 0.5)
    began = time.process_time()
    for _ in range(PASSAGES):
        (await gate.enter(Lane.POLL)).accepted()
    return (time.process_time() - began) / PASSAGES


async def coroutine() -> float:
    """Seconds of CPU of awaiting a coroutine that does nothing: the share of a passage that is not ours."""

    async def nothing() -> None: ...

    began = time.process_time()
    for _ in range(PASSAGES):
        await nothing()
    return (time.process_time() - began) / PASSAGES


async def grant(crowd: int) -> tuple[float, int]:
    """Seconds of CPU of one grant among so many waiters, and how many were overtaken within their priority."""
    gate, order = Gate(clock=EverLater(), jitter=lambda: 0.5, max_in_flight=1), list[int]()
    first = await gate.enter(Lane.SUBMIT)

    async def wait(number: int) -> None:
        turn = await gate.enter(Lane.SUBMIT)
        order.append(number)
        turn.answered()

    waiters = [asyncio.create_task(wait(number)) for number in range(crowd)]
    await asyncio.sleep(0)
    assert gate.statistics().submit.waiting == crowd
    began = time.process_time()
    first.answered()
    await asyncio.gather(*waiters)
    cost = (time.process_time() - began) / crowd
    return cost, sum(later < earlier for earlier, later in pairwise(order))


async def lost_turns() -> int:
    """How many turns are gone after so many waiters were cancelled at random instants."""
    random_, gate = random.Random(4), Gate(clock=EverLater(), jitter=lambda: 0.5, max_in_flight=4)
    through = 0

    async def wait() -> None:
        nonlocal through
        with await gate.enter(Lane.SUBMIT) as turn:
            await asyncio.sleep(0)
            through += 1
            turn.answered()

    for _ in range(CANCELLED // 100):
        waiters = [asyncio.create_task(wait()) for _ in range(200)]
        for doomed in random_.sample(waiters, 100):
            if random_.random() < 0.5:
                await asyncio.sleep(0)
            doomed.cancel()
        await asyncio.wait_for(asyncio.gather(*waiters, return_exceptions=True), 60)
    held = [await asyncio.wait_for(gate.enter(Lane.SUBMIT), 60) for _ in range(4)]
    statistics = gate.statistics().submit
    return len(held) - statistics.in_flight + statistics.waiting


def look() -> float:
    """Seconds of CPU of deciding when to look next, progress and all."""
    belief = Belief()
    reading = Look(elapsed=40.0, estimate=60.0, progress=55.0)
    began = time.process_time()
    for _ in range(LOOKS):
        belief.next_look(reading)
    return (time.process_time() - began) / LOOKS


def figures(rounds: int) -> list[Figure]:
    """All of them; median, lowest and highest of the rounds."""
    run = asyncio.run
    alone = [1e6 * (run(passage()) - run(coroutine())) for _ in range(rounds)]
    grants = {crowd: [run(grant(crowd)) for _ in range(rounds)] for crowd in CROWDS}
    costs = {crowd: [1e6 * cost for cost, _ in found] for crowd, found in grants.items()}
    flat = [most / few for most, few in zip(costs[5000], costs[100], strict=True)]
    found = [_figure("a passage with nobody waiting, asyncio's share taken off", alone, "us", 5)]
    found += [_figure(f"a grant with {crowd:,} waiting", costs[crowd], "us", 150) for crowd in CROWDS]
    found.append(_figure("a grant with 5,000 waiting, against 100", flat, "times", 1.5))
    overtaken = sum(count for runs in grants.values() for _, count in runs)
    found.append(Figure("waiters overtaken within their priority", overtaken, "waiters", bar=0))
    found.append(Figure(f"turns lost in {CANCELLED:,} cancellations", run(lost_turns()), "turns", bar=0))
    found.append(_figure("the belief: when to look next", [1e6 * look() for _ in range(rounds)], "us", 10))
    return found


def _figure(name: str, values: list[float], unit: str, bar: float) -> Figure:
    return Figure(name, median(values), unit, low=min(values), high=max(values), bar=bar)


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    from benchmarks.__main__ import store  # the entry point knows all suites, this one too

    store("gate", figures(parser.parse_args().rounds))
    tables.write()


if __name__ == "__main__":
    main()
