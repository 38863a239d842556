"""`python -m benchmarks.polling [--seeds N]`: how often tasks are looked at, and how late their ends are seen.

The service that the rules were made for gets all seeds, the others a fifth, comparisons a tenth, shared limits a third.

Virtual time; the decisions are those of `omniedit.core` (the belief, the due queue, the bulk rule, and the governor
where a limit is shared), the services are made up. Lag is the time from the end of a task to the look that sees it.
Some rules that people use run in the same world. Where submits and looks share 300 requests a minute, the ceiling is
what as many tasks in flight would get through if each end were seen at once.
"""

from __future__ import annotations

import argparse
import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from math import exp, log
from statistics import mean

from benchmarks import tables
from benchmarks.harness import Figure
from benchmarks.simulate.judge import keep
from benchmarks.simulate.limits import Limit, SlidingLog, TokenBucket
from benchmarks.simulate.world import typical_task
from omniedit.core.governor import Go, Governor
from omniedit.core.polling import Belief, BulkPolicy, DueQueue, Look, Reading, keep_reading

Draw = Callable[[random.Random], float]
LATENCY = 0.2  # s, of a request


@dataclass(frozen=True)
class Model:
    """How long tasks take, what the service estimates, and whether its progress says anything."""

    name: str
    duration: Draw = typical_task
    bias: float = 1.0
    estimates: bool = True
    constant: bool = False
    progress: bool = True

    def estimate(self, duration: float, rng: random.Random) -> float | None:
        """Off by up to a factor of two, and by the bias."""
        if not self.estimates:
            return None
        return 60.0 if self.constant else self.bias * duration * exp(rng.uniform(-log(2), log(2)))


def _two_kinds(rng: random.Random) -> float:
    return rng.choice([40.0, 180.0]) * rng.lognormvariate(0.0, 0.15)


MODELS = [
    Model("as designed with: median 75 s, a heavy tail"),
    Model("estimates 2.5 times too low", bias=0.4),
    Model("estimates 2.5 times too high", bias=2.5),
    Model("one estimate for all", constant=True),
    Model("no progress", progress=False),
    Model("median 20 s", duration=lambda rng: rng.lognormvariate(3.0, 0.3)),
    Model("even, mean 240 s", duration=lambda rng: rng.gammavariate(12.0, 20.0)),
    Model("two kinds, 40 and 180 s", duration=_two_kinds),
    Model("neither estimates nor progress", estimates=False, progress=False),
]


@dataclass(eq=False)
class Clip:
    """One task."""

    accepted: float
    duration: float
    estimate: float | None
    power: float
    noise: float
    looked: float = 0.0  # s after it was accepted
    readings: tuple[Reading, ...] = ()

    def progress(self, elapsed: float) -> float:
        """What the service says, 0 where it says nothing."""
        if not self.power:
            return 0.0
        return 100 * min(max((elapsed / self.duration) ** self.power * self.noise, 0.0), 0.99)


class Rule:
    """When to look: ours."""

    def __init__(self) -> None:
        self.belief = Belief()

    def first(self, clip: Clip) -> float:
        return self.belief.first_look(clip.estimate)

    def next(self, clip: Clip, elapsed: float) -> float:
        look = Look(elapsed, clip.estimate, clip.progress(elapsed))
        clip.readings = keep_reading(clip.readings, look)
        return self.belief.next_look(look)

    def ended(self, clip: Clip, elapsed: float) -> None:
        self.belief.finished(clip.estimate, clip.looked, elapsed, clip.readings)


class Fixed(Rule):
    """Every few seconds."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self.step = step

    def first(self, clip: Clip) -> float:
        return self.step

    def next(self, clip: Clip, elapsed: float) -> float:
        return elapsed + self.step


class Exponential(Fixed):
    """From one second, half as long again each time, to half a minute."""

    def next(self, clip: Clip, elapsed: float) -> float:
        return elapsed + min(max(elapsed / 2, self.step), 30.0)


class HalfEstimate(Fixed):
    """From half of the estimate on, every few seconds."""

    def first(self, clip: Clip) -> float:
        return (clip.estimate or 60.0) / 2


RULES: dict[str, Callable[[], Rule]] = {
    "omniedit": Rule,
    "every second": lambda: Fixed(1.0),
    "every 5 s": lambda: Fixed(5.0),
    "every 10 s": lambda: Fixed(10.0),
    "exponential, 1 to 30 s": lambda: Exponential(1.0),
    "from half of the estimate, every 5 s": lambda: HalfEstimate(5.0),
}


@dataclass
class Result:
    """What came of a run."""

    requests: int = 0
    refused: int = 0
    lags: list[float] = field(default_factory=list)

    def measures(self) -> dict[str, float]:
        """Looks as HTTP requests per task, lag in seconds."""
        lags, tasks = sorted(self.lags), len(self.lags)
        looks = self.requests / tasks
        return {"looks": looks, "lag": mean(lags), "p99": lags[int(0.99 * tasks)], "product": looks * mean(lags)}


class Watch:
    """So many tasks in flight: each that is seen to have ended makes room for the next."""

    def __init__(self, model: Model, rule: Rule, seed: int, width: int, limit: Limit | None = None) -> None:
        self.model, self.rule, self.width, self.limit = model, rule, width, limit
        self.rng = random.Random(f"{model.name} {seed}")
        self.due = DueQueue[Clip]()
        self.submits, self.polls = Governor(0.0, max_tasks=width), Governor(0.0)
        self.bulk = BulkPolicy(enabled=False)
        self.result, self.now = Result(), 0.0
        self.flying = 0
        self._replies: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0

    def run(self, *, tasks: int = 0, seconds: float = 0.0) -> Result:
        """Until so many tasks have been seen to end, or for so long."""
        while (len(self.result.lags) < tasks) if tasks else (self.now < seconds):
            at = min(self._submit(), self._look(), self._replies[0][0] if self._replies else 1e12)
            self.now = max(self.now, at)
            while self._replies and self._replies[0][0] <= self.now:
                heapq.heappop(self._replies)[2]()
        return self.result

    def _may(self, governor: Governor) -> float:
        """When a request of this lane may leave; without a limit there is nothing to learn."""
        if self.limit is None:
            return self.now
        decision = governor.when(self.now)
        return self.now if isinstance(decision, Go) else decision.at

    def _send(self, governor: Governor, then: Callable[[], None], refused: Callable[[], None], *, task: bool) -> None:
        if self.limit is None:
            then()
            return
        sent, taken = governor.send(self.now), self.limit.take(self.now)

        def reply() -> None:
            if taken:
                governor.accepted(sent, self.now, task=task)
                then()
            else:
                self.result.refused += 1
                governor.refused(sent, self.now, jitter=self.rng.random())
                refused()

        self._order += 1
        heapq.heappush(self._replies, (self.now + LATENCY, self._order, reply))

    def _submit(self) -> float:
        if self.flying >= self.width:
            return 1e12
        at = self._may(self.submits)
        if at > self.now:
            return at
        self.flying += 1
        self._send(self.submits, self._accept, self._not_submitted, task=True)
        return self.now

    def _not_submitted(self) -> None:
        self.flying -= 1

    def _accept(self) -> None:
        rng, duration = self.rng, self.model.duration(self.rng)
        dead = not self.model.progress or rng.random() < 0.15
        power = 0.0 if dead else rng.choice([0.7, 1.0, 1.4])
        clip = Clip(self.now, duration, self.model.estimate(duration, rng), power, rng.lognormvariate(0.0, 0.15))
        self.due.push(clip, self.now + self.rule.first(clip))

    def _look(self) -> float:
        due = self.due.next_due()
        if due is None or due > self.now:
            return 1e12 if due is None else due
        at = self._may(self.polls)
        if at > self.now:
            return at
        many = self.bulk.size(self.due.count_due(self.now + self.bulk.WITHIN, self.bulk.MOST))
        clips = self.due.pop_due(self.now + self.bulk.WITHIN if many else self.now, max(many, 1))
        asked = self.now
        self._send(self.polls, lambda: self._seen(clips, asked), lambda: self._again(clips), task=False)
        self.result.requests += 1
        return self.now

    def _again(self, clips: list[Clip]) -> None:
        for clip in clips:
            self.due.push(clip, self.now)

    def _seen(self, clips: list[Clip], asked: float) -> None:
        for clip in clips:
            elapsed = asked - clip.accepted
            if elapsed < clip.duration:
                clip.looked = elapsed
                self.due.push(clip, clip.accepted + self.rule.next(clip, elapsed))
                continue
            self.rule.ended(clip, elapsed)
            self.result.lags.append(elapsed - clip.duration)
            self.flying -= 1
            if self.limit is not None:
                self.submits.finished(self.now)


def policy(model: Model, rule: str, seed: int, tasks: int = 2000) -> dict[str, float]:
    """Fifty in flight, from cold."""
    return Watch(model, RULES[rule](), seed, 50).run(tasks=tasks).measures()


def bulk(seed: int) -> dict[str, float]:
    """A thousand in flight and the bulk call."""
    watch = Watch(MODELS[0], Rule(), seed, 1000)
    watch.bulk = BulkPolicy()
    return watch.run(tasks=5000).measures()


def shared(make: Callable[[], Limit], seed: int, seconds: float = 3600.0) -> dict[str, float]:
    """Submits and looks of fifty tasks under one unknown limit, for an hour: each lane learns its share."""
    result = Watch(MODELS[0], Rule(), seed, 50, make()).run(seconds=seconds)
    rng = random.Random(seed)
    ceiling = 50 * seconds / mean(typical_task(rng) for _ in range(20_000))
    return result.measures() | {"share": len(result.lags) / ceiling, "refused": result.refused / result.requests}


SHARED: dict[str, Callable[[], Limit]] = {
    "token bucket": lambda: TokenBucket(5.0, 10.0),
    "sliding minute": lambda: SlidingLog(300),
}
Rows = dict[str, dict[str, dict[str, float]]]


def measure(seeds: int) -> Rows:
    """All runs, averaged over the seeds."""

    def averaged(run: Callable[[int], dict[str, float]], count: int) -> dict[str, float]:
        found = [run(seed) for seed in range(count)]
        return {name: round(mean(one[name] for one in found), 4) for name in found[0]}

    rows: Rows = {"services": {}, "rules": {}, "shared": {}}
    for model in MODELS:
        count = seeds if model is MODELS[0] else max(seeds // 5, 1)
        rows["services"][model.name] = averaged(lambda seed: policy(model, "omniedit", seed), count)  # noqa: B023
        print(model.name, rows["services"][model.name], flush=True)
    for rule in RULES:
        rows["rules"][rule] = averaged(lambda seed: policy(MODELS[0], rule, seed), max(seeds // 10, 1))  # noqa: B023
    for name, make in SHARED.items():
        rows["shared"][name] = averaged(lambda seed: shared(make, seed), max(seeds // 3, 1))  # noqa: B023
        print(name, rows["shared"][name], flush=True)
    rows["bulk"] = {"1,000 in flight": averaged(bulk, max(seeds // 10, 1))}
    print(rows["bulk"], flush=True)
    return rows


def figures(rows: Rows) -> list[Figure]:
    """What the rows say about the bars, for the service the rules were made for; the worst of the others beside."""
    *informed, blind = rows["services"].values()
    designed = informed[0]
    worst = {name: max(row[name] for row in informed) for name in designed}
    lag = max(row["lag"] for row in rows["shared"].values())
    share = min(row["share"] for row in rows["shared"].values())
    many = rows["bulk"]["1,000 in flight"]
    others = "in brackets up to the worst of seven other services"
    found = [
        Figure(name, designed[key], unit, low=designed[key], high=worst[key], bar=bar, note=others)
        for name, key, unit, bar in (
            ("looks per task", "looks", "looks", 9),
            ("lag, mean", "lag", "s", 2.7),
            ("lag, p99", "p99", "s", 5.5),
            ("looks x lag", "product", "s", 22),
        )
    ]
    return [
        *found,
        Figure("looks x lag with neither estimates nor progress", blind["product"], "s", bar=40),
        Figure("300 requests a minute shared by all: share of the ceiling", share, "", bar=0.86, at_least=True),
        Figure("300 requests a minute shared by all: mean lag", lag, "s", bar=3.5),
        Figure("bulk call, 1,000 in flight: HTTP requests per task", many["looks"], "requests", bar=0.5),
    ]


def main() -> None:
    """Run all and keep it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.polling", description=__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    rows = measure(parser.parse_args().seeds)
    keep("polling", figures(rows), rows)
    tables.write()


if __name__ == "__main__":
    main()
