"""The governor and those it is compared with, behind one interface.

None is a copy of a package: each follows its published rule. All but the semaphore put a refused request back at the
head of the line; all but it wait out `Retry-After` where one comes.

- semaphore: at most N requests at once, each retried by itself after U(0, min(60, 2^k)) s, or after `Retry-After`.
- AIMD: the rate gains `gain` per second and second, and is multiplied by 0.7 at a refusal, once per half second;
  everybody pauses for half a second. (Chiu and Jain, 1989)
- CUBIC: RFC 9438's window function, applied to the rate, with beta 0.7 and C = 0.4 of the rate at the last refusal.
- botocore: the rule of the adaptive retry mode as published in the AWS SDK reference: CUBIC on a measured rate with
  beta 0.7 and C = 0.4, a token bucket as pacer, at most twice the measured rate.
- fixed: a constant rate.
- oracle: knows the limit (see `oracle_of`).
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from math import inf

from benchmarks.simulate.limits import RequestCap, TaskCap
from omniedit.core.governor import Go, Governor, Sent
from omniedit.core.ratehints import read_hint


class Governed:
    """The real governor."""

    def __init__(self, rng: random.Random, start: float = 0.0, *, shared: bool = False, **limits: float) -> None:
        self.governor = Governor(start, shared=shared, **limits)  # type: ignore[arg-type]
        self.rng = rng
        self.asked = 0.0  # until when a Retry-After asked to wait
        self.undercut = 0  # requests that left before

    def when(self, now: float) -> float:
        decision = self.governor.when(now)
        return now if isinstance(decision, Go) else decision.at

    def sent(self, now: float) -> Sent:
        self.undercut += now < self.asked
        return self.governor.send(now)

    def accepted(self, sent: Sent, now: float, headers: dict[str, str]) -> None:
        self.governor.accepted(sent, now, read_hint(headers), task=True)

    def refused(self, sent: Sent, now: float, headers: dict[str, str]) -> None:
        hint = read_hint(headers)
        self.asked = max(self.asked, now + (hint.retry_after or 0.0))
        self.governor.refused(sent, now, hint, self.rng.random())

    def finished(self, now: float) -> None:
        self.governor.finished(now)


class Semaphore:
    """What everyone does."""

    def __init__(self, rng: random.Random, size: int = 50) -> None:
        self.rng, self.size = rng, size
        self.busy = 0
        self.tries: dict[int, int] = {}
        self.sleeping: list[tuple[float, int]] = []
        self.count = 0

    def when(self, now: float) -> float:
        if self.sleeping and self.sleeping[0][0] <= now:
            return now
        if self.busy < self.size:
            return now
        return self.sleeping[0][0] if self.sleeping else inf

    def sent(self, now: float) -> int:
        if self.sleeping and self.sleeping[0][0] <= now:
            return heapq.heappop(self.sleeping)[1]
        self.busy += 1
        self.count += 1
        self.tries[self.count] = 0
        return self.count

    def accepted(self, sent: int, now: float, headers: dict[str, str]) -> None:
        self.busy -= 1
        del self.tries[sent]

    def refused(self, sent: int, now: float, headers: dict[str, str]) -> None:
        stated = read_hint(headers).retry_after
        delay = self.rng.uniform(0, min(60.0, 2.0 ** self.tries[sent])) if stated is None else stated
        self.tries[sent] += 1
        heapq.heappush(self.sleeping, (now + delay, sent))

    def finished(self, now: float) -> None: ...


class Paced:
    """A pacer with one shared pause, for rules that steer a rate."""

    def __init__(self, rate: float, concurrency: int = 200) -> None:
        self.rate, self.concurrency = rate, concurrency
        self.next, self.until, self.flying = 0.0, 0.0, 0
        self.reacted = -inf

    def when(self, now: float) -> float:
        if self.flying >= self.concurrency:
            return inf
        return max(self.next, self.until)

    def sent(self, now: float) -> float:
        self.next = max(self.next, now - 1 / self.rate) + 1 / self.rate
        self.flying += 1
        return now

    def accepted(self, sent: float, now: float, headers: dict[str, str]) -> None:
        self.flying -= 1
        self.grow(now)

    def refused(self, sent: float, now: float, headers: dict[str, str]) -> None:
        self.flying -= 1
        stated = read_hint(headers).retry_after
        self.until = max(self.until, now + (0.5 if stated is None else stated))
        if sent > self.reacted:
            self.reacted = now
            self.cut(now)

    def finished(self, now: float) -> None: ...

    def grow(self, now: float) -> None: ...

    def cut(self, now: float) -> None: ...


class Aimd(Paced):
    """Additive increase, multiplicative decrease."""

    def __init__(self, gain: float = 0.1) -> None:
        super().__init__(2.0)
        self.gain, self.grown = gain, 0.0

    def grow(self, now: float) -> None:
        self.rate += self.gain * min(now - self.grown, 1.0)
        self.grown = now

    def cut(self, now: float) -> None:
        self.rate = max(self.rate * 0.7, 0.05)


class Cubic(Paced):
    """CUBIC on the rate."""

    def __init__(self) -> None:
        super().__init__(2.0)
        self.top, self.since = 0.0, 0.0

    def grow(self, now: float) -> None:
        if not self.top:
            self.rate += 0.25
            return
        shift = (0.3 / 0.4) ** (1 / 3) * 10
        self.rate = max(self.top * (1 + 0.4 * ((now - self.since - shift) / 10) ** 3), 0.05)

    def cut(self, now: float) -> None:
        self.top, self.since = self.rate, now
        self.rate = max(self.rate * 0.7, 0.05)


class Botocore(Paced):
    """The adaptive retry mode of the AWS SDKs, from its published rule."""

    def __init__(self) -> None:
        super().__init__(inf)
        self.limiting = False
        self.measured, self.bucket, self.count = 0.0, 0.0, 0
        self.top, self.throttled, self.rate_now = 0.0, 0.0, 0.5

    def when(self, now: float) -> float:
        if self.flying >= 50:
            return inf
        return max(self.next, self.until) if self.limiting else now

    def sent(self, now: float) -> float:
        if self.limiting:
            self.next = max(self.next, now - 1 / self.rate_now) + 1 / self.rate_now
        self.flying += 1
        return now

    def _measure(self, now: float) -> None:
        self.count += 1
        bucket = int(now * 2) / 2
        if bucket > self.bucket:
            self.measured = self.count / (bucket - self.bucket) * 0.8 + self.measured * 0.2
            self.count, self.bucket = 0, bucket

    def grow(self, now: float) -> None:
        self._measure(now)
        if self.limiting:
            shift = (self.top * 0.3 / 0.4) ** (1 / 3)
            self._set(0.4 * (now - self.throttled - shift) ** 3 + self.top)

    def refused(self, sent: float, now: float, headers: dict[str, str]) -> None:
        self.flying -= 1
        self._measure(now)
        self.top = min(self.measured, self.rate_now) if self.limiting else self.measured
        self.throttled, self.limiting = now, True
        self._set(self.top * 0.7)

    def _set(self, rate: float) -> None:
        self.rate_now = max(min(rate, 2 * self.measured), 0.5)


class FixedRate(Paced):
    """A constant rate."""

    def __init__(self, rate: float) -> None:
        super().__init__(rate)


class CapOracle:
    """Knows a cap and sees what a client sees: fills the room it knows to be free, and no more."""

    def __init__(self, limit: TaskCap | RequestCap) -> None:
        self.limit = limit
        self.flying = self.tasks = 0

    def when(self, now: float) -> float:
        level = self.flying + (self.tasks if isinstance(self.limit, TaskCap) else 0)
        return now if level + 1 <= self.limit.size else inf

    def sent(self, now: float) -> None:
        self.flying += 1

    def accepted(self, sent: None, now: float, headers: dict[str, str]) -> None:
        self.flying -= 1
        self.tasks += 1

    def refused(self, sent: None, now: float, headers: dict[str, str]) -> None:
        self.flying -= 1

    def finished(self, now: float) -> None:
        self.tasks -= 1


Maker = Callable[[random.Random, float], object]
