"""python -m benchmarks.simulate steady|held-out|changing|shared4|shared8 [--peer NAME] [--seeds N] [--shape TEXT]"""

from __future__ import annotations

import argparse
import time
from statistics import mean

from benchmarks.simulate.measure import PEERS, changing, governed, shared, steady
from benchmarks.simulate.shapes import BY_NAME, CHANGING, HELD_OUT, SHARED, TUNED


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate")
    parser.add_argument("what")
    parser.add_argument("--peer")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shape", default="")
    options = parser.parse_args()
    make = PEERS[options.peer] if options.peer else governed
    shapes = {
        "steady": TUNED,
        "held-out": HELD_OUT,
        "changing": [BY_NAME[name] for name in CHANGING],
    }.get(options.what, [BY_NAME[name] for name in SHARED])
    rows = []
    for shape in shapes:
        if options.shape not in shape.name:
            continue
        began = time.perf_counter()
        results = []
        for seed in range(options.seeds):
            match options.what:
                case "steady" | "held-out":
                    results.append(steady(shape, make, seed))
                case "changing":
                    results.append(changing(shape, make, seed))
                case "shared2" | "shared4":
                    results.append(shared(shape, make, seed, [60.0 * n for n in range(int(options.what[-1]))]))
                case "shared8":
                    results.append(shared(shape, make, seed, [0.0] * 8))
        figures = {name: mean(vars(result)[name] for result in results) for name in vars(results[0])}
        rows.append(figures)
        line = "  ".join(f"{name} {value:7.3f}" for name, value in figures.items())
        print(f"{shape.name:24} {line}   ({(time.perf_counter() - began) / options.seeds:.1f} s)", flush=True)
    for label, pick in (("min", min), ("mean", mean), ("max", max)):
        print(f"{label:24} " + "  ".join(f"{name} {pick(row[name] for row in rows):7.3f}" for name in rows[0]))


if __name__ == "__main__":
    main()
