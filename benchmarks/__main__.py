"""`python -m benchmarks [SUITE...] [--rounds N]`: measure, keep the figures as JSON, compare with the last ones kept.

Suites: polls, replies, edits, parked, startup. Each writes benchmarks/results/SUITE.json; the last stored figures stay
in it as `previous`. The performance page is made from all files there at the end.
"""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from pathlib import Path

import attrs

from benchmarks import tables
from benchmarks.harness import Figure, machine

SUITES = ("polls", "replies", "edits", "parked", "startup")
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run the named suites, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], default=SUITES)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    for name in options.suites or SUITES:
        figures = import_module(f"benchmarks.speed.{name}").measure(options.rounds)
        store(name, figures)
    tables.write()


def store(name: str, figures: list[Figure]) -> None:
    """Keep figures, and those of the run before."""
    path = RESULTS / f"{name}.json"
    before = json.loads(path.read_text())["figures"] if path.exists() else []
    kept = {
        "machine": machine(),
        "figures": [attrs.asdict(figure) | {"met": figure.met} for figure in figures],
        "previous": {figure["name"]: figure["value"] for figure in before},
    }
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(kept, indent=2) + "\n")
    for figure in figures:
        print(f"{name}: {figure.name}: {figure.value:.3g} {figure.unit} (bar {figure.bar}) {figure.met}", flush=True)


if __name__ == "__main__":
    main()
