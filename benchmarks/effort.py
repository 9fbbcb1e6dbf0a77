"""Human correction efforts compared with PySODMetrics 1.6.2: paired CPU time of one thread, and agreement.

Both are timed in turn, on the same arrays, in one process, so only the ratios are meaningful. The environment and the
pairs are those of score.py:

    PYTHONPATH=. pair-env/bin/python benchmarks/effort.py [--runs 3] [--sizes 1024x1024,2048x2048,3000x4000]
"""

import argparse
import statistics
import warnings

import cv2
import numpy as np
import py_sod_metrics
from clock import seconds
from pairs import FLAVOURS, KINDS, draw_mask, draw_truth

from disbench.metrics.effort import effort, skeleton


def peer(mask: np.ndarray, truth: np.ndarray) -> int:
    metric = py_sod_metrics.HumanCorrectionEffortMeasure()
    metric.step(mask, truth)
    return int(metric.hces[0])


def time_pairs(height: int, width: int, flavour: str, kinds: list[str], runs: int):
    """Time a pair of each kind.

    Returns:
        For every round, the seconds of PySODMetrics, disbench, and disbench with a ready skeleton; and the number of
        images with unequal efforts.
    """
    rounds, unequal = [], 0
    for kind in kinds:
        truth = draw_truth(height, width, kind)
        mask, bones = draw_mask(truth, flavour), skeleton(truth)
        unequal += not peer(mask, truth) == effort(mask, truth).total == effort(mask, truth, bones).total
        rounds += [
            (seconds(peer, mask, truth), seconds(effort, mask, truth), seconds(effort, mask, truth, bones))
            for _ in range(runs)
        ]
    return rounds, unequal


def prepare() -> None:
    """Set OpenCV to one thread, and compile disbench's kernels."""
    warnings.filterwarnings("ignore")
    cv2.setNumThreads(1)
    effort(np.zeros((8, 8), np.uint8), np.full((8, 8), 255, np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="timed pairs per image")
    parser.add_argument("--images", type=int, default=2, help="images per row, of different kinds")
    parser.add_argument("--sizes", default="1024x1024,2048x2048,3000x4000")
    options = parser.parse_args()
    prepare()
    print("size        flavour   PySODMetrics   disbench   ratio (range)   with a ready skeleton     unequal")
    for size in options.sizes.split(","):
        height, width = map(int, size.split("x"))
        for flavour in FLAVOURS:
            times, unequal = time_pairs(height, width, flavour, list(KINDS)[: options.images], options.runs)
            slow, fast, ready = zip(*times, strict=True)
            ratios, cached = (sorted(a / b for a, b in zip(slow, ours, strict=True)) for ours in (fast, ready))
            print(
                f"{size:11} {flavour:9} {statistics.median(slow):9.2f} s {statistics.median(fast) * 1e3:10.1f} ms",
                f"{statistics.median(ratios):6.0f} ({ratios[0]:.0f}-{ratios[-1]:.0f})".ljust(16),
                f"{statistics.median(ready) * 1e3:8.1f} ms {statistics.median(cached):4.0f}",
                f"({cached[0]:.0f}-{cached[-1]:.0f})".ljust(9),
                f"{unequal} of {options.images}",
                flush=True,
            )


if __name__ == "__main__":
    main()
