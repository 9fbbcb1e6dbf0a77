"""Bootstrap of the paper's five measures: CPU time for random scores.

OMP_NUM_THREADS=1 python benchmarks/resample.py [--images 2000] [--resamples 10000] [--runs 3]
"""

import argparse
import statistics
import time

import numpy as np

from disbench.metrics.catalogue import PAPER
from disbench.metrics.measurement import Measurement
from disbench.stats.intervals import bca_intervals
from disbench.stats.resample import RESAMPLES, bootstrap_scores, build_columns
from disbench.stats.significance import randomise_pairs


def draw_measurements(n: int, seed: int) -> list[Measurement]:
    rng = np.random.default_rng(seed)
    return [
        Measurement(
            height=1000,
            width=1000,
            fg_hist=foreground,
            bg_hist=background,
            values=dict(zip(("s_measure", "f_weighted"), rng.random(2), strict=True)),
        )
        for foreground, background in rng.integers(0, 4000, (n, 2, 256), dtype=np.uint32)
    ]


def time_function(function, runs: int) -> str:
    seconds = []
    for _ in range(runs):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=RESAMPLES)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    methods = [draw_measurements(args.images, seed) for seed in (0, 1)]
    left, right = (build_columns(measured, metrics=PAPER) for measured in methods)
    print(f"{args.resamples:,} resamples, {args.images:,} images, {len(PAPER)} measures; CPU seconds, median (range):")
    columns = time_function(lambda: build_columns(methods[0], metrics=PAPER), args.runs)
    print("  per-image columns from histograms:", columns)
    print("  intervals of one method:", time_function(lambda: bca_intervals(left, args.resamples), args.runs))
    print("  two methods together:", time_function(lambda: bootstrap_scores([left, right], args.resamples), args.runs))
    print("  their paired test:", time_function(lambda: randomise_pairs(left, right, args.resamples), args.runs))


if __name__ == "__main__":
    main()
