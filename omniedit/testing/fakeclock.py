"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

from attrs import define, field

__all__ = ["FakeClock"]

_TURNS = 50
"""Turns of the event loop after each wake-up, in which woken tasks may go on and sleep again."""


@define(order=True)
class _Sleeper:
    deadline: float
    number: int
    future: asyncio.Future[None] = field(order=False)


class FakeClock:
    """A ``Clock`` (see ``omniedit.clock``) for tests: ``await clock.advance(5)`` is the only way for time to pass."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._now = 0.0
        self._sleepers: list[_Sleeper] = []
        self._number = 0

    def monotonic(self) -> float:
        """Seconds that have passed."""
        return self._now

    def utcnow(self) -> datetime:
        """The start plus what has passed."""
        return self._start + timedelta(seconds=self._now)

    async def sleep(self, seconds: float) -> None:
        """Wait until a test has moved time so far; zero or less only lets others run. Cancelling leaves nothing."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number += 1
        heapq.heappush(self._sleepers, _Sleeper(self._now + seconds, self._number, future))
        await future

    async def advance(self, seconds: float) -> None:
        """Pass time, waking sleepers one after the other, each at its own moment; who sleeps again is woken again.

        Raises:
            ValueError: the seconds are negative.
        """
        end = self._later(seconds)
        await self._let_run()
        while (due := self._next_due(end)) is not None:
            self._now = max(self._now, due.deadline)
            due.future.set_result(None)
            await self._let_run()
        self._now = max(self._now, end)  # who was woken may have moved time further

    def advance_nowait(self, seconds: float) -> None:
        """Jump: time is later at once, and whoever is due by then is woken when the event loop next turns.

        Raises:
            ValueError: the seconds are negative.
        """
        self._now = self._later(seconds)
        while (due := self._next_due(self._now)) is not None:
            due.future.set_result(None)

    @property
    def sleepers(self) -> int:
        """How many sleep now."""
        return sum(not sleeper.future.done() for sleeper in self._sleepers)

    @property
    def next_wake(self) -> float | None:
        """Seconds until the next sleeper is due; None when nobody sleeps."""
        deadlines = [sleeper.deadline for sleeper in self._sleepers if not sleeper.future.done()]
        return min(deadlines) - self._now if deadlines else None

    def __repr__(self) -> str:
        return f"FakeClock(now={self._now}, sleepers={self.sleepers})"

    def _later(self, seconds: float) -> float:
        if not seconds >= 0:
            raise ValueError(f"time only passes forwards: {seconds} seconds; give 0 or more")
        return self._now + seconds

    def _next_due(self, end: float) -> _Sleeper | None:
        """The next sleeper due by ``end``; the cancelled ones are dropped on the way."""
        while self._sleepers and (self._sleepers[0].deadline <= end or self._sleepers[0].future.done()):
            sleeper = heapq.heappop(self._sleepers)
            if not sleeper.future.done():
                return sleeper
        return None

    async def _let_run(self) -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)
