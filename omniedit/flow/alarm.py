"""One timer for whatever waits, on the client's clock: no coroutine and no timer for each thing that is parked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from omniedit.clock import Clock

__all__ = ["Alarm"]


class Alarm:
    """Rings once, at the earliest instant it was set to; whoever it wakes looks what is due and sets it again.

    Args:
        clock: time.
        ring: called on the event loop.
    """

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._task: asyncio.Task[None] | None = None
        self._at = 0.0
        self._closed = False

    def set(self, at: float) -> None:
        """Ring at this instant (monotonic seconds), or before it where an earlier one is set."""
        if self._closed or (self._task is not None and self._at <= at):
            return
        self._cancel()
        self._at = at
        self._task = asyncio.get_running_loop().create_task(self._sleep(at))

    async def close(self) -> None:
        """Never ring again."""
        self._closed = True
        task = self._task
        self._cancel()
        if task is not None:
            await asyncio.wait([task])

    async def _sleep(self, at: float) -> None:
        await self._clock.sleep(max(at - self._clock.monotonic(), 0.0))
        self._task = None
        self._ring()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
