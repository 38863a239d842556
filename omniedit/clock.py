"""Time as something that is handed in, so that tests and simulations can move it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """What the shells need of time. Durations use `monotonic`; only what is written down uses `utcnow`."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes backwards."""
        ...

    def utcnow(self) -> datetime:
        """The wall clock as an aware UTC datetime; may jump."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; cancelling the wait has no other effect."""
        ...


class SystemClock:
    """The clock of the machine."""

    __slots__ = ()

    def monotonic(self) -> float:
        """Seconds, from the same source as asyncio's default event loop."""
        return time.monotonic()

    def utcnow(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait on the running event loop."""
        await asyncio.sleep(seconds)

    def __repr__(self) -> str:
        return "SystemClock()"
