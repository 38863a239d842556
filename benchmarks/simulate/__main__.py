"""python -m benchmarks.simulate KIND... [--rule NAME] [--seeds N] [--shape TEXT] [--workers N]: look at some runs."""

from __future__ import annotations

import argparse

from benchmarks.simulate.measure import FIXED, PEERS
from benchmarks.simulate.runs import KINDS, OURS, rows


def main() -> None:
    """Print a line for each shape, and the extremes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__)
    parser.add_argument("kinds", nargs="+", choices=KINDS)
    parser.add_argument("--rule", default=OURS, choices=[OURS, *PEERS, *FIXED])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shape", default="")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    for kind in options.kinds:
        means = []
        for row in rows([kind], [options.rule], options.seeds, options.workers, options.shape):
            means.append({name: value for name, (value, _, _) in row.measures.items()})
            print(_line(f"{kind}: {row.shape}", means[-1]), flush=True)
        for label, pick in (("lowest", min), ("highest", max)):
            print(_line(f"{kind}: {label}", {name: pick(row[name] for row in means) for name in means[0]}), flush=True)


def _line(title: str, measures: dict[str, float]) -> str:
    return f"{title:44}" + "  ".join(f"{name} {value:7.3f}" for name, value in measures.items())


if __name__ == "__main__":
    main()
