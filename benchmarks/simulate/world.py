"""The simulated world: processes of one key, a service with a limit, and time that costs nothing.

Discrete events. A request travels to the service, is judged on arrival, worked on and answered; an accepted submit is a
task that ends after a while and is noticed by its process at its next look. Every random number comes from one seed.
"""

from __future__ import annotations

import heapq
import random
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from benchmarks.simulate.limits import Both, Limit, RequestCap, TaskCap

Draw = Callable[[random.Random], float]


class Controller(Protocol):
    """What decides in one process when a request leaves: the governor, or one of its peers."""

    def when(self, now: float) -> float:
        """The instant from which a request may leave; infinity means after the next event."""
        ...

    def sent(self, now: float) -> object: ...

    def accepted(self, sent: object, now: float, headers: dict[str, str]) -> None: ...

    def refused(self, sent: object, now: float, headers: dict[str, str]) -> None: ...

    def finished(self, now: float) -> None: ...


@dataclass(frozen=True)
class Network:
    """How long things take: one way through the network, the service's work, a refusal, a task, the look after it."""

    way: Draw = lambda r: 0.02 + r.lognormvariate(-3.2, 0.5)
    work: Draw = lambda r: r.lognormvariate(-1.9, 0.5)
    task: Draw = lambda r: typical_task(r)
    look: Draw = lambda r: r.uniform(0.0, 5.0)


def typical_task(rng: random.Random) -> float:
    """Median 75 s with a heavy tail: mean about 94 s."""
    if rng.random() < 0.04:
        return min(150 * rng.paretovariate(1.8), 3600.0)
    return rng.lognormvariate(4.317, 0.45)


@dataclass
class Trace:
    """What one process did, second by second, seen from the service."""

    seconds: int
    accepted: array[int] = field(init=False)
    refused: array[int] = field(init=False)
    level: array[int] = field(init=False)
    waits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.accepted = array("i", bytes(4 * (self.seconds + 1)))
        self.refused = array("i", bytes(4 * (self.seconds + 1)))
        self.level = array("i", bytes(4 * (self.seconds + 1)))


Headers = Callable[[Limit, float, bool], dict[str, str]]


def no_headers(limit: Limit, now: float, refused: bool) -> dict[str, str]:
    """A service that says nothing."""
    return {}


class World:
    """One run. `starts` are the instants at which the processes begin; `changes` are (instant, factor) of the limit."""

    def __init__(
        self,
        limit: Limit,
        controllers: list[Controller],
        *,
        seconds: float,
        rng: random.Random,
        network: Network | None = None,
        headers: Headers = no_headers,
        starts: list[float] | None = None,
        changes: list[tuple[float, float]] | None = None,
        arrivals: Draw | None = None,
    ) -> None:
        self.limit, self.controllers, self.rng, self.headers = limit, controllers, rng, headers
        self.network = network or Network()
        self.seconds = seconds
        self._counts_live = isinstance(limit, TaskCap | RequestCap | Both)
        self.now = 0.0
        self.traces = [Trace(int(seconds)) for _ in controllers]
        self._events: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._order = 0
        self._wakes = [inf] * len(controllers)
        self._live = [0] * len(controllers)
        self._backlog: list[list[float]] | None = None
        self._heads = [0] * len(controllers)
        if arrivals is not None:
            self._backlog = [[] for _ in controllers]
            for number in range(len(controllers)):
                self._at(arrivals(rng), self._arrive_work, number, arrivals)
        for at, factor in changes or []:
            self._at(at, self._change, factor)
        for number, start in enumerate(starts or [0.0] * len(controllers)):
            self._at(start, self._pump, number)

    def run(self) -> list[Trace]:
        """Let it happen."""
        events, end = self._events, self.seconds
        pop = heapq.heappop
        while events and events[0][0] < end:
            self.now, _, act, arguments = pop(events)
            act(*arguments)
        return self.traces

    def _at(self, at: float, act: Callable[..., None], *arguments: object) -> None:
        self._order += 1
        heapq.heappush(self._events, (at, self._order, act, arguments))

    def _change(self, factor: float) -> None:
        self.limit.scale(factor, self.now)

    def _arrive_work(self, number: int, arrivals: Draw) -> None:
        assert self._backlog is not None
        self._backlog[number].append(self.now)
        self._at(self.now + arrivals(self.rng), self._arrive_work, number, arrivals)
        self._pump(number)

    def _has_work(self, number: int) -> bool:
        return self._backlog is None or self._heads[number] < len(self._backlog[number])

    def _pump(self, number: int) -> None:
        controller, now = self.controllers[number], self.now
        while self._has_work(number):
            at = controller.when(now)
            if at > now:
                if at < self._wakes[number]:
                    self._wakes[number] = at
                    self._at(at, self._wake, number, at)
                return
            waited_from = 0.0
            if self._backlog is not None:
                waited_from = self._backlog[number][self._heads[number]]
                self._heads[number] += 1
            sent = controller.sent(now)
            self._at(now + self.network.way(self.rng), self._arrive, number, sent, waited_from)

    def _wake(self, number: int, at: float) -> None:
        if self._wakes[number] == at:
            self._wakes[number] = inf
        self._pump(number)

    def _arrive(self, number: int, sent: object, waited_from: float) -> None:
        now, rng, network, trace = self.now, self.rng, self.network, self.traces[number]
        if self.limit.take(now):
            trace.accepted[int(now)] += 1
            if self._backlog is not None:
                trace.waits.append(now - waited_from)
            headers = self.headers(self.limit, now, False)
            done = now + network.work(rng)
            end = now + network.task(rng)
            if self._counts_live:
                self._begin(number, done, end)
            self._at(done + network.way(rng), self._accepted, number, sent, headers)
            self._at(max(end + network.look(rng), done + 0.5), self._noticed, number)
        else:
            trace.refused[int(now)] += 1
            headers = self.headers(self.limit, now, True)
            self._at(now + 0.005 + network.way(rng), self._refused, number, sent, headers, waited_from)

    def _begin(self, number: int, done: float, end: float) -> None:
        self._live[number] += 1
        self.traces[number].level[int(self.now)] = self._live[number]
        self._at(done, self.limit.request_done)
        self._at(end, self._end, number)

    def _end(self, number: int) -> None:
        self.limit.task_done()
        self._live[number] -= 1
        self.traces[number].level[int(self.now)] = self._live[number]

    def _accepted(self, number: int, sent: object, headers: dict[str, str]) -> None:
        self.controllers[number].accepted(sent, self.now, headers)
        self._pump(number)

    def _refused(self, number: int, sent: object, headers: dict[str, str], waited_from: float) -> None:
        if self._backlog is not None:
            self._heads[number] -= 1
            self._backlog[number][self._heads[number]] = waited_from
        self.controllers[number].refused(sent, self.now, headers)
        self._pump(number)

    def _noticed(self, number: int) -> None:
        self.controllers[number].finished(self.now)
        self._pump(number)
