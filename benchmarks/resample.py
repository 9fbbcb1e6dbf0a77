"""Bootstrap of the five measures of the paper: CPU time of so many resamples of so many images, on random scores.

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


def measurements(n: int, seed: int) -> list[Measurement]:
    rng = np.random.default_rng(seed)
    return [
        Measurement(1000, 1000, *histograms, dict(zip(("s_measure", "f_weighted"), rng.random(2), strict=True)))
        for histograms in rng.integers(0, 4000, (n, 2, 256), dtype=np.uint32)
    ]


def timed(function, runs: int) -> str:
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
    found = [measurements(args.images, seed) for seed in (0, 1)]
    one, two = (build_columns(measured, metrics=PAPER) for measured in found)
    print(f"{args.resamples:,} resamples, {args.images:,} images, {len(PAPER)} measures; CPU seconds, median (range):")
    print("  per-image columns from histograms:", timed(lambda: build_columns(found[0], metrics=PAPER), args.runs))
    print("  intervals of one method:", timed(lambda: bca_intervals(one, args.resamples), args.runs))
    print("  two methods together:", timed(lambda: bootstrap_scores([one, two], args.resamples), args.runs))
    print("  their paired test:", timed(lambda: randomise_pairs(one, two, args.resamples), args.runs))


if __name__ == "__main__":
    main()
