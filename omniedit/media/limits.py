"""What downloads share: a rate in bytes a second, and so many connections to one host."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs

__all__ = ["HostSlots", "RateLimit"]

_LEAST_PIECE = 4096


class RateLimit:
    """A token bucket: whoever takes bytes waits until they are due. All downloads of a client share one.

    Args:
        rate: bytes a second; None for no limit.
    """

    # So much may come at once, in seconds of the rate: waiting for every single chunk would cost more than it brings.
    _BURST = 0.05

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._due = 0.0
        self._lock = threading.Lock()

    def piece(self, most: int) -> int:
        """Bytes worth reading at once: few under a low rate, so that they come steadily."""
        return most if self._rate is None else max(_LEAST_PIECE, min(most, int(self._rate * self._BURST)))

    def take(self, count: int, now: float) -> float:
        """Seconds to wait until so many bytes are due; safe to call from any thread.

        Args:
            count: bytes.
            now: the same monotonic clock at every call, in seconds.
        """
        if self._rate is None:
            return 0.0
        with self._lock:
            self._due = max(self._due, now) + count / self._rate
            return max(0.0, self._due - now - self._BURST)


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
