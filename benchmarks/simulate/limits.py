"""Models of how services limit: each takes or refuses a request at an instant and can tell the truth about itself.

All sizes can be scaled while running, to model a limit that halves or doubles. Times are seconds of the simulation.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol


class Limit(Protocol):
    """One limit of a service, shared by all processes of a key."""

    def take(self, now: float) -> bool:
        """Whether a request that arrives now is taken."""
        ...

    def wait(self, now: float) -> float:
        """Seconds until a request could be taken, as an honest `Retry-After` says; 1 where nobody can know."""
        ...

    def remaining(self, now: float) -> tuple[int, float]:
        """Requests left and seconds until that number is renewed, as honest headers say."""
        ...

    def scale(self, factor: float, now: float) -> None:
        """Change the limit to so many times what it was."""
        ...

    def request_done(self) -> None:
        """An accepted request was answered."""

    def task_done(self) -> None:
        """An accepted task ended."""


class TokenBucket:
    """`rate` tokens a second, at most `burst` kept; a full bucket at the start."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self.tokens, self.at = burst, 0.0

    def _fill(self, now: float) -> None:
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now

    def take(self, now: float) -> bool:
        self._fill(now)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def wait(self, now: float) -> float:
        self._fill(now)
        return max(1 - self.tokens, 0.0) / self.rate

    def remaining(self, now: float) -> tuple[int, float]:
        self._fill(now)
        return int(self.tokens), (self.burst - self.tokens) / self.rate

    def scale(self, factor: float, now: float) -> None:
        self._fill(now)
        self.rate *= factor

    def request_done(self) -> None: ...

    def task_done(self) -> None: ...


class FixedWindow:
    """`size` requests in each window of `span` seconds; windows begin at `phase`."""

    def __init__(self, size: float, span: float = 60.0, phase: float = 17.0) -> None:
        self.size, self.span, self.phase = size, span, phase
        self.window, self.used = -1, 0

    def _turn(self, now: float) -> None:
        window = int((now + self.span - self.phase) // self.span)
        if window != self.window:
            self.window, self.used = window, 0

    def take(self, now: float) -> bool:
        self._turn(now)
        if self.used >= self.size:
            return False
        self.used += 1
        return True

    def _left(self, now: float) -> float:
        return self.span - (now + self.span - self.phase) % self.span

    def wait(self, now: float) -> float:
        self._turn(now)
        return self._left(now) if self.used >= self.size else 0.0

    def remaining(self, now: float) -> tuple[int, float]:
        self._turn(now)
        return max(int(self.size - self.used), 0), self._left(now)

    def scale(self, factor: float, now: float) -> None:
        self._turn(now)
        self.size *= factor

    def request_done(self) -> None: ...

    def task_done(self) -> None: ...


class SlidingLog:
    """`size` requests in any `span` seconds; only accepted ones count."""

    def __init__(self, size: float, span: float = 60.0) -> None:
        self.size, self.span = size, span
        self.log: deque[float] = deque()

    def _drop(self, now: float) -> None:
        log, since = self.log, now - self.span
        while log and log[0] <= since:
            log.popleft()

    def take(self, now: float) -> bool:
        self._drop(now)
        if len(self.log) >= self.size:
            return False
        self.log.append(now)
        return True

    def wait(self, now: float) -> float:
        self._drop(now)
        over = len(self.log) - int(self.size)
        return self.log[over] + self.span - now if over >= 0 else 0.0

    def remaining(self, now: float) -> tuple[int, float]:
        self._drop(now)
        reset = self.log[0] + self.span - now if self.log else 0.0
        return max(int(self.size) - len(self.log), 0), reset

    def scale(self, factor: float, now: float) -> None:
        self.size *= factor

    def request_done(self) -> None: ...

    def task_done(self) -> None: ...


class SlidingCounter:
    """Two counters, the last window's weighed by what of it still overlaps: the approximation many gateways use."""

    def __init__(self, size: float, span: float = 60.0) -> None:
        self.size, self.span = size, span
        self.window, self.used, self.last = -1, 0, 0

    def _weight(self, now: float) -> float:
        window = int(now // self.span)
        if window != self.window:
            self.last = self.used if window == self.window + 1 else 0
            self.window, self.used = window, 0
        return self.used + self.last * (1 - now % self.span / self.span)

    def take(self, now: float) -> bool:
        if self._weight(now) + 1 > self.size:
            return False
        self.used += 1
        return True

    def wait(self, now: float) -> float:
        over = self._weight(now) + 1 - self.size
        if over <= 0:
            return 0.0
        left = self.span - now % self.span
        return min(over * self.span / self.last, left) if self.last else left

    def remaining(self, now: float) -> tuple[int, float]:
        return max(int(self.size - self._weight(now)), 0), self.span - now % self.span

    def scale(self, factor: float, now: float) -> None:
        self.size *= factor

    def request_done(self) -> None: ...

    def task_done(self) -> None: ...


class TaskCap:
    """At most `size` unfinished tasks."""

    def __init__(self, size: float) -> None:
        self.size, self.live = size, 0

    def take(self, now: float) -> bool:
        if self.live + 1 > self.size:
            return False
        self.live += 1
        return True

    def wait(self, now: float) -> float:
        return 1.0

    def remaining(self, now: float) -> tuple[int, float]:
        return max(int(self.size - self.live), 0), 1.0

    def scale(self, factor: float, now: float) -> None:
        self.size *= factor

    def request_done(self) -> None: ...

    def task_done(self) -> None:
        self.live -= 1


class RequestCap:
    """At most `size` requests being worked on."""

    def __init__(self, size: float) -> None:
        self.size, self.live = size, 0

    def take(self, now: float) -> bool:
        if self.live + 1 > self.size:
            return False
        self.live += 1
        return True

    def wait(self, now: float) -> float:
        return 1.0

    def remaining(self, now: float) -> tuple[int, float]:
        return max(int(self.size - self.live), 0), 1.0

    def scale(self, factor: float, now: float) -> None:
        self.size *= factor

    def request_done(self) -> None:
        self.live -= 1

    def task_done(self) -> None: ...


class Both:
    """Two limits at once: a request is taken when both take it."""

    def __init__(self, first: TokenBucket, second: TaskCap) -> None:
        self.first, self.second = first, second

    def take(self, now: float) -> bool:
        return self.second.live + 1 <= self.second.size and self.first.take(now) and self.second.take(now)

    def wait(self, now: float) -> float:
        return max(self.first.wait(now), 1.0)

    def remaining(self, now: float) -> tuple[int, float]:
        return self.first.remaining(now)

    def scale(self, factor: float, now: float) -> None:
        self.first.scale(factor, now)
        self.second.scale(factor, now)

    def request_done(self) -> None: ...

    def task_done(self) -> None:
        self.second.task_done()
