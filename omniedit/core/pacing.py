"""The two instruments of the governor: a pacer that spaces requests out, and a meter of what was accepted.

Rules of this room:

- The pacer is the generic cell rate algorithm (ITU-T I.371): in any span of t seconds it lets through at most
  `burst + rate * (t + GRAIN)` requests, and idleness earns no more.
- The meter counts acceptances in buckets of one second, so its memory is the same at one request an hour and at
  ten thousand a second.
- Times are monotonic seconds, rates requests per second. Time that stands still or goes back counts as no time.
"""

from __future__ import annotations

from collections import deque

__all__ = ["BURST", "GRAIN", "Goodput", "MINUTE", "Pacer"]

BURST = 2  # requests that may leave together after a pause: one that waited and the one whose turn it is
GRAIN = 0.005  # s: how late a timer may fire; what became due meanwhile leaves together
LEAST = 60  # acceptances: fewer would measure a low rate too roughly
MINUTE = 60  # s: the span that services count in, and so the span of the meter


class Pacer:
    """Spaces requests `1 / rate` seconds apart; `burst` may leave together."""

    __slots__ = ("_next", "burst", "rate")

    def __init__(self, rate: float, burst: int = BURST) -> None:
        self.rate = rate
        self.burst = burst
        self._next = float("-inf")  # the instant at which an even stream would send its next request

    @property
    def opens(self) -> float:
        """The instant from which the next request may leave."""
        slack = (self.burst - 1) / self.rate
        return self._next - max(GRAIN, slack)

    def take(self, now: float) -> None:
        """A request leaves."""
        self._next = max(self._next, now) + 1 / self.rate

    def restart(self, at: float) -> None:
        """A request left at that instant: an even stream goes on from there, with no burst."""
        self._next = max(self._next, at + 1 / self.rate + max((self.burst - 1) / self.rate, GRAIN))

    def give_back(self) -> None:
        """A request that took its turn did not leave after all."""
        self._next -= 1 / self.rate


class Goodput:
    """Requests accepted a second: in the last minute, or over the last `LEAST` where those took longer."""

    __slots__ = ("_buckets", "_count", "_latest", "_since")

    def __init__(self, now: float) -> None:
        self._since = now
        self._buckets: deque[list[int]] = deque()  # [second, acceptances], oldest first, at most a minute of them
        self._count = 0
        self._latest: deque[float] = deque([now], maxlen=LEAST + 1)

    def add(self, now: float, count: int = 1) -> None:
        """One more acceptance, or so much more of whatever is counted."""
        second = int(now)
        self._count += count
        self._latest.append(now)
        if self._buckets and self._buckets[-1][0] >= second:
            self._buckets[-1][1] += count
        else:
            self._buckets.append([second, count])
            self._forget(second)

    def rate(self, now: float) -> float:
        """Acceptances per second."""
        self._forget(int(now))
        if self._count >= LEAST or now - self._since < MINUTE:
            return self._count / min(MINUTE, max(now - self._since, 1.0))
        return (len(self._latest) - 1) / max(now - self._latest[0], 1.0)

    def recent(self, until: float, seconds: float) -> float:
        """Acceptances per second in the seconds before an instant of the last minute."""
        first, last = int(until - seconds), int(until)
        return sum(count for second, count in self._buckets if first <= second < last) / seconds

    def _forget(self, second: int) -> None:
        while self._buckets and self._buckets[0][0] <= second - MINUTE:
            self._count -= self._buckets.popleft()[1]
