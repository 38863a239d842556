"""`python -m benchmarks [SUITE...] [--rounds N] [options of the suite]`: measure, keep, compare with the last.

Without a name the suites of `benchmarks/speed` run; the others (journal, download, scale, distributed, ...) take longer
or need more on the machine, and run when they are named. Each writes benchmarks/results/SUITE.json; the last stored
figures stay in it as `previous`. The performance page is made from all files there at the end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import attrs

from benchmarks import comparison, sizing, tables
from benchmarks.harness import ROOT, Figure, machine

SUITES = ("polls", "replies", "edits", "parked", "startup", "clients")
HERE = Path(__file__).parent
RESULTS = HERE / "results"
TOOLS = {"__init__", "__main__", "comparison", "forms", "harness", "sizing", "tables", "hosts", "speed", "results"}
TOLD_WHERE = {"journal", "download", "preflight", "deadlines", "report"}  # suites that write where they are told to


def main() -> None:
    """Run the named suites, or those of `benchmarks/speed`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join((*SUITES, *others())))
    parser.add_argument("--rounds", type=int, default=7, help="turns of each contestant, at least five to be of use")
    options, more = parser.parse_known_args()
    unknown = set(options.suites) - {*SUITES, *others()}
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    for name in options.suites or SUITES:
        if name in SUITES:
            store(name, import_module(f"benchmarks.speed.{name}").measure(options.rounds))
        else:
            run(name, more)
    tables.write()
    comparison.write()
    sizing.write()


def others() -> list[str]:
    """Suites that are programs of their own."""
    found = {path.stem for path in HERE.glob("*.py")} | {path.parent.name for path in HERE.glob("*/__main__.py")}
    return sorted(found - TOOLS)


def run(name: str, more: list[str]) -> None:
    """One suite that is a program of its own."""
    where = ["--json", str(RESULTS / f"{name}.json")] if name in TOLD_WHERE else []
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *where, *more], check=True, cwd=ROOT)


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
