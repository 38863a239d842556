"""What downloads share: a rate in bytes a second, and so many connections to one host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs

from omniedit.clock import Clock

__all__ = ["HostSlots", "RateLimit"]


class RateLimit:
    """A token bucket: whoever takes bytes waits until they are due. All downloads of a client share one.

    Args:
        rate: bytes a second; None for no limit.
        clock: what waits.
    """

    # So much may come at once, in seconds of the rate: waiting for every single chunk would cost more than it brings.
    _BURST = 0.05

    def __init__(self, rate: float | None, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._due = 0.0

    async def take(self, count: int) -> bool:
        """Wait until so many bytes are due; tells whether there was anything to wait for."""
        if self._rate is None:
            return False
        now = self._clock.monotonic()
        self._due = max(self._due, now) + count / self._rate
        wait = self._due - now - self._BURST
        if wait <= 0:
            return False
        await self._clock.sleep(wait)
        return True


@attrs.define
class _Slots:
    semaphore: asyncio.Semaphore
    users: int = 0


class HostSlots:
    """At most so many requests to one host at a time; None for no limit. Hosts not in use are forgotten."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._hosts: dict[str, _Slots] = {}

    @property
    def hosts(self) -> frozenset[str]:
        """Hosts in use."""
        return frozenset(self._hosts)

    @asynccontextmanager
    async def hold(self, host: str) -> AsyncGenerator[None, None]:
        """Wait for a slot and keep it; waiters are served in order."""
        if self._most is None:
            yield
            return
        slots = self._hosts.setdefault(host, _Slots(asyncio.Semaphore(self._most)))
        slots.users += 1
        try:
            async with slots.semaphore:
                yield
        finally:
            slots.users -= 1
            if not slots.users:
                del self._hosts[host]
