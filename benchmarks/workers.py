"""Two worker threads compared with one on a folder of maps: wall time, and whether the scores are the same bytes.

As a control, two busy processes must do nearly twice the work of one. Otherwise the machine has no idle second core,
and the ratio is meaningless.

    python benchmarks/workers.py [--runs 3] [--images 100] [--size 2048x2048]
"""

import argparse
import itertools
import statistics
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import cv2
from pairs import FLAVOURS, KINDS, draw_mask, draw_truth
from PIL import Image

from disbench.runs.api import score_maps


def work(seconds: float) -> int:
    """Return the amount of work that a process does in this time."""
    rounds, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(10000))
        rounds += 1
    return rounds


def measure_two_processes(seconds: float = 1.0) -> float:
    """Return the work of two concurrent processes as a multiple of one process's, from the second of two rounds."""
    with get_context("spawn").Pool(2) as pool:
        for _ in range(2):
            single = pool.apply(work, [seconds])
            both = pool.map(work, [seconds] * 2, chunksize=1)
    return sum(both) / single


def draw_folder(folder: Path, images: int, height: int, width: int) -> None:
    """Write pairs of all kinds and flavours; further ones are hard links to them."""
    for name in ("gt", "maps"):
        (folder / name).mkdir()
    variants = list(itertools.product(KINDS, FLAVOURS))
    for i in range(images):
        pair, first = (folder / f"gt/{i:03}.png", folder / f"maps/{i:03}.png"), i % len(variants)
        if i == first:
            truth = draw_truth(height, width, variants[i][0])
            for file, pixels in zip(pair, (truth, draw_mask(truth, variants[i][1])), strict=True):
                Image.fromarray(pixels).save(file)
        else:
            for file in pair:
                file.hardlink_to(file.with_name(f"{first:03}.png"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="timed rounds")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--size", default="2048x2048")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_folder(folder, options.images, *map(int, options.size.split("x")))
        rounds, outs = [], itertools.count()

        def score(workers: int) -> tuple[float, bytes]:
            start = time.perf_counter()
            out = folder / f"runs{next(outs)}"
            (result,) = score_maps(folder / "maps", title="maps", data=folder, out=out, workers=workers)
            return time.perf_counter() - start, (result.folder / "scores.parquet").read_bytes()

        score(2)  # compiles kernels, and hashes the ground truths
        print(f"control: two processes do {measure_two_processes():.2f} times the work of one")
        for _ in range(options.runs):
            (single, expected), (double, table) = score(1), score(2)
            assert table == expected, "the scores differ"
            rounds.append((single, double))
        single, double = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratios = sorted(a / b for a, b in rounds)
        print(f"control: two processes do {measure_two_processes():.2f} times the work of one")
        print(
            f"{options.images} pairs of {options.size}: one worker {single:.2f} s, two workers {double:.2f} s,",
            f"{statistics.median(ratios):.2f} times as fast ({ratios[0]:.2f}-{ratios[-1]:.2f}), the same scores.parquet"
        )


if __name__ == "__main__":
    main()
