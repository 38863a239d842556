"""Limits per key: pure meters that are asked first and charged only when every one of them agrees.

A refused request costs nothing. ``now`` is sandbox time; live tasks and open requests are counted by the caller.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from attrs import define, field, frozen

from omniedit.sandbox.settings import Lane, Limit

__all__ = ["BLIND_WAIT", "FixedWindow", "Meter", "Reading", "SlidingWindow", "TokenBucket", "Turnstile", "meter_for"]

BLIND_WAIT = 1.0
"""Seconds told to a client that waits for room (a task's end), whose moment nobody knows."""


@frozen
class Reading:
    """One limit as seen now: how long to wait (0: go), and what rate headers would say."""

    wait: float
    limit: float
    remaining: float
    reset: float
    kind: str


class Meter(Protocol):
    """Counts requests against one limit."""

    def read(self, now: float, amount: float) -> Reading:
        """The state before a request at ``now``, with ``amount`` in force."""
        ...

    def take(self, now: float, amount: float) -> None:
        """Count one request."""
        ...


@define
class TokenBucket:
    """``amount`` tokens per ``per`` seconds; starts full."""

    limit: Limit
    _tokens: float | None = None
    _at: float = 0.0

    def read(self, now: float, amount: float) -> Reading:
        """Go when a whole token is there."""
        rate, burst = amount / self.limit.per, self._burst(amount)
        tokens = self._level(now, amount)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / rate if rate else self.limit.per
        return Reading(wait, burst, int(tokens), (burst - tokens) / rate if rate else self.limit.per, self.limit.kind)

    def take(self, now: float, amount: float) -> None:
        """Use up one token."""
        self._tokens, self._at = self._level(now, amount) - 1, now

    def _burst(self, amount: float) -> float:
        return amount if self.limit.burst is None else self.limit.burst

    def _level(self, now: float, amount: float) -> float:
        burst = self._burst(amount)
        if self._tokens is None:
            return burst
        return min(burst, self._tokens + (now - self._at) * amount / self.limit.per)


@define
class FixedWindow:
    """``amount`` requests in each window aligned to the epoch."""

    limit: Limit
    _window: float = -1.0
    _count: int = 0

    def read(self, now: float, amount: float) -> Reading:
        """Go while the window has room, else wait for the next one."""
        count = self._count if self._window == now // self.limit.per else 0
        reset = self.limit.per - now % self.limit.per
        return Reading(
            0.0 if count + 1 <= amount else reset, amount, max(0, int(amount - count)), reset, self.limit.kind
        )

    def take(self, now: float, amount: float) -> None:  # noqa: ARG002 - one signature for all meters
        """Count in the window of ``now``."""
        window = now // self.limit.per
        self._count = self._count + 1 if window == self._window else 1
        self._window = window


@define
class SlidingWindow:
    """``amount`` requests in any ``per`` seconds."""

    limit: Limit
    _times: deque[float] = field(factory=deque[float])

    def read(self, now: float, amount: float) -> Reading:
        """Go while the last ``per`` seconds have room, else wait until the oldest leaves."""
        while self._times and self._times[0] <= now - self.limit.per:
            self._times.popleft()
        surplus = len(self._times) + 1 - int(amount)
        remaining = max(0, int(amount) - len(self._times))
        reset = self._times[0] + self.limit.per - now if self._times else 0.0
        return Reading(self._wait(now, surplus), amount, remaining, reset, self.limit.kind)

    def take(self, now: float, amount: float) -> None:  # noqa: ARG002 - one signature for all meters
        """Note the moment."""
        self._times.append(now)

    def _wait(self, now: float, surplus: int) -> float:
        if surplus <= 0:
            return 0.0
        if surplus > len(self._times):
            return self.limit.per
        return self._times[surplus - 1] + self.limit.per - now


def meter_for(limit: Limit) -> Meter | None:
    """The meter of a counted limit; None for the two that only look at what is there."""
    match limit.kind:
        case "token_bucket":
            return TokenBucket(limit)
        case "fixed_window":
            return FixedWindow(limit)
        case "sliding_window":
            return SlidingWindow(limit)
        case "live_tasks" | "concurrent":
            return None


@define
class Turnstile:
    """All limits of one key."""

    limits: tuple[Limit, ...]
    started: float
    _meters: list[Meter | None] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._meters = [meter_for(limit) for limit in self.limits]

    def readings(self, now: float, lane: Lane, *, live: int, open_requests: int) -> list[Reading]:
        """Every limit that concerns this lane."""
        return [
            self._reading(limit, meter, now, live=live, open_requests=open_requests)
            for limit, meter in zip(self.limits, self._meters, strict=True)
            if lane in limit.lanes and not (limit.kind == "live_tasks" and lane != "submit")
        ]

    def take(self, now: float, lane: Lane) -> None:
        """Count one request that all limits let through."""
        for limit, meter in zip(self.limits, self._meters, strict=True):
            if meter is not None and lane in limit.lanes:
                meter.take(now, limit.amount_at(now - self.started))

    def _reading(self, limit: Limit, meter: Meter | None, now: float, *, live: int, open_requests: int) -> Reading:
        amount = limit.amount_at(now - self.started)
        if meter is not None:
            return meter.read(now, amount)
        used = live if limit.kind == "live_tasks" else open_requests
        wait = BLIND_WAIT if used >= amount else 0.0
        return Reading(wait, amount, max(0, int(amount) - used), wait, limit.kind)
