"""`python -m benchmarks.distributed [PART...]`: many hosts, measured; stores benchmarks/results/distributed.json.

Parts: transitions, limits, recovery, waiting, chaos, namespaces (as root), peers; each keeps the figures of the others.
`--peers PYTHON` names an interpreter that has Dask and Ray (and omniedit), for `peers`. Needs PostgreSQL.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import attrs

from benchmarks import tables
from benchmarks.harness import Figure, machine
from benchmarks.hosts import chaos, limits, namespaces, recovery, transitions, waiting

STORED = Path(__file__).parent / "results" / "distributed.json"


def main() -> None:
    """Run the named parts, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*")
    parser.add_argument("--edits", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--period", type=float, default=1.0, help="seconds between two kills of `chaos`")
    parser.add_argument("--peers")
    options = parser.parse_args()
    parts: dict[str, Callable[[], list[Figure]]] = {
        "transitions": transitions.measure,
        "limits": limits.measure,
        "recovery": lambda: recovery.measure(options.rounds),
        "waiting": waiting.measure,
        "chaos": lambda: chaos.measure(options.edits, options.rounds, options.period),
        "namespaces": namespaces.measure,
        "peers": lambda: chaos.measure_peers(options.edits // 3, options.peers),
    }
    for name in options.parts or parts:
        if figures := parts[name]():
            keep(name, figures)
    tables.write()


def keep(part: str, figures: list[Figure]) -> None:
    """Store the figures of one part; those of the others stay, and the last ones of it become `previous`."""
    stored = json.loads(STORED.read_text()) if STORED.exists() else {"figures": [], "previous": {}}
    mine = [one for one in stored["figures"] if one["part"] == part]
    others = [one for one in stored["figures"] if one["part"] != part]
    fresh = [attrs.asdict(figure) | {"met": figure.met, "part": part} for figure in figures]
    kept = {
        "machine": machine(),
        "figures": sorted([*others, *fresh], key=lambda one: str(one["part"])),
        "previous": stored["previous"] | {one["name"]: one["value"] for one in mine},
    }
    STORED.write_text(json.dumps(kept, indent=2) + "\n")
    for figure in figures:
        print(f"{part}: {figure.name}: {figure.value:.4g} {figure.unit} (bar {figure.bar}) {figure.met}", flush=True)


if __name__ == "__main__":
    main()
