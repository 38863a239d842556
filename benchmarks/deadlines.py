"""How many results are saved before their links die, in virtual time, by the order in which they are fetched.

    python benchmarks/deadlines.py [--json benchmarks/results/deadlines.json]

Eight downloads share a bandwidth evenly. A result counts when its last byte came before its link died; sizes are not
known before the fetch. `omniedit` is the order of `core.transfer.download_order`; `shortest first` is told the sizes,
which no client is. Scenarios: all links die at the same instant, or one after the other, with bandwidth for 900 of
1,000, for all of them, or for half; sizes alike (10 s of 720p), or spread over a factor of four.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs

from omniedit.core.transfer import download_order

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
HANDS = 8
LINKS = 1000
SECONDS = 30.0


@attrs.define(eq=False)
class Link:
    """A result that waits."""

    number: int
    size: float
    dies: float
    left: float = 0.0


Order = Callable[[list[Link], float, float], Link]


def main() -> None:
    """Simulate and print; write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    orders: dict[str, Order] = {
        "omniedit": by_deadline,
        "earliest deadline, hopeless ones included": lambda waiting, _now, _each: min(waiting, key=lambda it: it.dies),
        "arrival": lambda waiting, _now, _each: min(waiting, key=lambda it: it.number),
        "shortest first": lambda waiting, _now, _each: min(waiting, key=lambda it: it.size),
    }
    results = {
        f"{spread}, {sizes}, bandwidth for {share:.0%}": {
            name: simulate(links(spread, sizes), order, share) for name, order in orders.items()
        }
        for spread in ("all die at once", "die one after the other")
        for sizes in ("sizes alike", "sizes spread")
        for share in (0.9, 1.05, 0.5)
    }
    text = json.dumps(results, indent=2)
    print(text)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(text + "\n")


def links(spread: str, sizes: str) -> list[Link]:
    """A thousand results, in the order of their arrival, the same for every contender."""
    dice = random.Random(7)
    found: list[Link] = []
    for number in range(LINKS):
        size = dice.uniform(0.95, 1.05) if sizes == "sizes alike" else dice.uniform(0.4, 1.6)
        dies = SECONDS if spread == "all die at once" else dice.uniform(0.5, SECONDS)
        found.append(Link(number, size, dies))
    return found


def by_deadline(waiting: list[Link], now: float, each: float) -> Link:
    """Our order; `each` is how long one download takes at present."""
    moment, expected = EPOCH + timedelta(seconds=now), timedelta(seconds=each)
    return min(waiting, key=lambda it: download_order(EPOCH + timedelta(seconds=it.dies), moment, expected))


def simulate(waiting: list[Link], order: Order, share: float) -> int:
    """Results saved in time; the hands share the bandwidth evenly, so the one with the least left ends next."""
    rate = LINKS * share / SECONDS
    now, each, saved = 0.0, HANDS / rate, 0
    running: list[Link] = []
    while waiting or running:
        while waiting and len(running) < HANDS:
            link = order(waiting, now, each)
            waiting.remove(link)
            link.left = link.size
            running.append(link)
        first = min(running, key=lambda it: it.left)
        took = first.left * len(running) / rate
        now += took
        for link in running:
            link.left -= took * rate / len(running)
        running.remove(first)
        each += 0.2 * (first.size * HANDS / rate - each)
        saved += now <= first.dies
    return saved


if __name__ == "__main__":
    main()
