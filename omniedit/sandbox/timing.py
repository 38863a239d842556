"""Sandbox time: real, scaled, or standing still until a test moves it."""

from __future__ import annotations

import asyncio
import time

__all__ = ["SandboxTime"]


class SandboxTime:
    """Seconds since the epoch as the sandbox sees them; starts at the real time."""

    def __init__(self, *, scale: float = 1.0, virtual: bool = False) -> None:
        self._scale = scale
        self._virtual = virtual
        self._base = time.time()
        self._started = time.monotonic()
        self._waiters: set[asyncio.Future[None]] = set()
        self.start = self._base

    def now(self) -> float:
        """Seconds since the epoch."""
        if self._virtual:
            return self._base
        return self._base + (time.monotonic() - self._started) * self._scale

    def real_seconds(self, seconds: float) -> float:
        """How long ``seconds`` of sandbox time take for a client."""
        return seconds / self._scale

    def advance(self, seconds: float) -> None:
        """Jump ahead and wake every sleeper, which looks at the time again."""
        self._base += seconds
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def sleep_until(self, when: float) -> None:
        """Return at ``when`` or later; a jump counts. Cancelling it leaves nothing behind."""
        while (remaining := when - self.now()) > 0:
            await self._nap(None if self._virtual else remaining / self._scale)

    async def _nap(self, real_seconds: float | None) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait((waiter,), timeout=real_seconds)
        finally:
            self._waiters.discard(waiter)
