"""python -m benchmarks.simulate [KIND...] [--rule NAME] [--seeds N] [--shape TEXT] [--workers N]

With kinds: look at some runs. Without: run all kinds with the governor and the steady one with its peers, and keep the
figures (about half an hour of CPU time; shapes of more than 10,000 requests an hour run for a third of it).
"""

from __future__ import annotations

import argparse

from benchmarks import tables
from benchmarks.simulate.judge import Rows, figures, keep
from benchmarks.simulate.measure import FIXED, PEERS
from benchmarks.simulate.possible import POSSIBLE, possible
from benchmarks.simulate.runs import COMPARED, KINDS, OURS, Row, rows


def main() -> None:
    """Print a line for each shape, and the extremes; or keep it all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []])
    parser.add_argument("--rule", default=OURS, choices=[OURS, *PEERS, *FIXED])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--shape", default="")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    for kind in options.kinds:
        _show(kind, options)
    if not options.kinds:
        _record(options)


def _show(kind: str, options: argparse.Namespace) -> None:
    means = []
    for row in rows([kind], [options.rule], options.seeds, options.workers, options.shape):
        means.append({name: value for name, (value, _, _) in row.measures.items()})
        print(_line(row, means[-1]), flush=True)
    for label, pick in (("lowest", min), ("highest", max)):
        extremes = {name: pick(row[name] for row in means) for name in means[0]}
        print(_line(Row(kind, options.rule, label, 0, {}), extremes), flush=True)


def _record(options: argparse.Namespace) -> None:
    found: Rows = {}
    peers = rows(["steady"], [*PEERS, *FIXED], max(options.seeds // 10, 1), options.workers, COMPARED)
    for runs in (rows(list(KINDS), [OURS], options.seeds, options.workers), peers):
        for row in runs:
            rounded = {name: tuple(round(value, 5) for value in values) for name, values in row.measures.items()}
            kept = {"seeds": row.seeds} | rounded
            found.setdefault(row.kind, {}).setdefault(row.rule, {})[row.shape] = kept  # type: ignore[assignment]
            print(_line(row, {name: value for name, (value, _, _) in row.measures.items()}), flush=True)
    for kind, shapes in possible(max(options.seeds // 5, 1)).items():
        found[kind][POSSIBLE] = shapes
    keep("governor", figures(found), found)
    tables.write()


def _line(row: Row, measures: dict[str, float]) -> str:
    title = f"{row.kind}: {row.rule}: {row.shape}"
    return f"{title:56}" + "  ".join(f"{name} {value:7.3f}" for name, value in measures.items())


if __name__ == "__main__":
    main()
