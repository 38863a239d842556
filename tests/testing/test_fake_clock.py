"""The clock that tests move."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from omniedit.clock import Clock
from omniedit.testing import FakeClock


async def test_sleepers_wake_in_order_each_at_its_own_moment() -> None:
    """A long advance passes every deadline in turn, also those that arise on the way."""
    clock, woken = FakeClock(), list[tuple[str, float]]()

    async def every(name: str, seconds: float) -> None:
        for _ in range(2):
            await clock.sleep(seconds)
            woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        group.create_task(every("slow", 3))
        group.create_task(every("fast", 2))
        await clock.advance(10)

    assert woken == [("fast", 2), ("slow", 3), ("fast", 4), ("slow", 6)]
    assert clock.monotonic() == 10


async def test_time_stands_still_without_advance() -> None:
    """A sleeper stays asleep until somebody moves time far enough."""
    clock = FakeClock()
    sleeper = asyncio.ensure_future(clock.sleep(5))
    await clock.advance(4.9)
    assert not sleeper.done()
    assert clock.sleepers == 1
    assert clock.next_wake is not None
    assert abs(clock.next_wake - 0.1) < 1e-9
    await clock.advance(0.1)
    assert sleeper.done()


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    """Cancelling a sleep leaves nothing that could be woken."""
    clock = FakeClock()
    sleeper = asyncio.ensure_future(clock.sleep(5))
    await asyncio.sleep(0)
    sleeper.cancel()
    await asyncio.wait({sleeper})
    assert clock.sleepers == 0
    assert clock.next_wake is None
    await clock.advance(10)


async def test_the_wall_clock_moves_along() -> None:
    """Utcnow is aware and follows monotonic; a jump wakes whoever is due."""
    start = datetime(2026, 5, 4, tzinfo=UTC)
    clock: FakeClock = FakeClock(start)
    port: Clock = clock
    sleeper = asyncio.ensure_future(port.sleep(90))
    await asyncio.sleep(0)
    clock.advance_nowait(90)
    await sleeper
    assert port.utcnow() == start + timedelta(seconds=90)


async def test_a_sleep_of_nothing_only_lets_others_run() -> None:
    """Zero and negative waits return without any advance."""
    clock = FakeClock()
    await clock.sleep(0)
    await clock.sleep(-1)
    assert repr(clock) == "FakeClock(now=0.0, sleepers=0)"


async def test_time_never_goes_backwards() -> None:
    """Not after a jump in the middle of an advance, not in two advances at once, and not on demand."""
    clock = FakeClock()

    async def jump() -> None:
        await clock.sleep(1)
        clock.advance_nowait(100)

    jumping = asyncio.ensure_future(jump())
    await clock.advance(5)
    await jumping
    assert clock.monotonic() == 101
    await asyncio.gather(clock.advance(5), clock.advance(3))
    assert clock.monotonic() == 106
    for seconds in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="only passes forwards"):
            await clock.advance(seconds)
        with pytest.raises(ValueError, match="only passes forwards"):
            clock.advance_nowait(seconds)
    assert clock.monotonic() == 106
