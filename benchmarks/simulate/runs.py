"""Which runs there are, and their work spread over processes: every run is a kind, a shape, a rule and a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import mean

from benchmarks.simulate.measure import (
    EIGHT,
    FIXED,
    FOUR,
    PEERS,
    Make,
    changing,
    governed,
    loaded,
    shared,
    stated,
    steady,
    told,
)
from benchmarks.simulate.shapes import BY_NAME, CHANGING, HELD_OUT, LOADED, SHARED, STATED, TUNED, Shape

__all__ = ["COMPARED", "KINDS", "OURS", "Row", "rows"]

OURS = "omniedit"
Measure = Callable[[Shape, Make, int], dict[str, float]]

KINDS: dict[str, tuple[Measure, list[str]]] = {
    "steady": (steady, [shape.name for shape in TUNED]),
    "held-out": (steady, [shape.name for shape in HELD_OUT]),
    "changing": (changing, CHANGING),
    "four processes": (lambda *run: shared(*run, FOUR), SHARED),
    "eight processes": (lambda *run: shared(*run, EIGHT), SHARED),
    "four processes, told": (lambda shape, _, seed: shared(shape, told, seed, FOUR), SHARED),
    "eight processes, told": (lambda shape, _, seed: shared(shape, told, seed, EIGHT), SHARED),
    "alone, told": (lambda shape, _, seed: steady(shape, told, seed), SHARED),
    "stated": (stated, list(STATED)),
    "loaded": (loaded, LOADED),
}

COMPARED = ("tb 10/s", "tb 10/s RA", "tb 1/s", "fw 600", "fw 600 RA", "sl 600", "tasks 40", "requests 10")


@dataclass(frozen=True)
class Row:
    """What a rule did on a shape: for each measure the mean over the seeds, the lowest and the highest."""

    kind: str
    rule: str
    shape: str
    seeds: int
    measures: dict[str, tuple[float, float, float]]


def rows(
    kinds: Sequence[str], rules: Sequence[str], seeds: int, workers: int = 2, only: str | tuple[str, ...] = ""
) -> Iterator[Row]:
    """Run it all, with `workers` processes; a row as soon as its seeds are done.

    `only` is part of the names of shapes, or all names.
    """
    wanted = [
        (kind, rule, shape)
        for kind in kinds
        for rule in rules
        for shape in KINDS[kind][1]
        if (only in shape if isinstance(only, str) else shape in only) and _fits(rule, shape)
    ]
    with ProcessPoolExecutor(workers) as pool:
        running = [(job, [pool.submit(_one, *job, seed) for seed in range(seeds)]) for job in wanted]
        for (kind, rule, shape), runs in running:
            results = [run.result() for run in runs]
            found = {name: [result[name] for result in results] for name in results[0]}
            spread = {name: (mean(values), min(values), max(values)) for name, values in found.items()}
            yield Row(kind, rule, shape, len(results), spread)


def _fits(rule: str, shape: str) -> bool:
    """A fixed rate makes no sense where no rate is limited."""
    return rule not in FIXED or not BY_NAME[shape].capped


def _one(kind: str, rule: str, shape: str, seed: int) -> dict[str, float]:
    limit = BY_NAME[shape]
    make = governed if rule == OURS else PEERS[rule] if rule in PEERS else FIXED[rule](limit)
    return KINDS[kind][0](limit, make, seed)
