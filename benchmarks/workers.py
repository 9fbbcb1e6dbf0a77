"""Two worker threads against one on a folder of saved maps: wall time, and whether the scores are the same bytes.

A control comes first: two busy processes must do nearly twice the work of one, else the machine has no second core to
spare, and the ratio says nothing.

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
    """How much a process gets done in that time."""
    done, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(10000))
        done += 1
    return done


def control(seconds: float = 1.0) -> float:
    """The work of two processes at once, as a multiple of one's, from the second of two rounds."""
    with get_context("spawn").Pool(2) as pool:
        for _ in range(2):
            alone = pool.apply(work, [seconds])
            both = pool.map(work, [seconds] * 2, chunksize=1)
    return sum(both) / alone


def draw(folder: Path, images: int, height: int, width: int) -> None:
    """As many pairs as asked for, of one pair per kind and flavour."""
    for name in ("gt", "maps"):
        (folder / name).mkdir()
    drawn = list(itertools.product(KINDS, FLAVOURS))
    for i in range(images):
        pair, first = (folder / f"gt/{i:03}.png", folder / f"maps/{i:03}.png"), i % len(drawn)
        if i == first:
            truth = draw_truth(height, width, drawn[i][0])
            for file, pixels in zip(pair, (truth, draw_mask(truth, drawn[i][1])), strict=True):
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
        draw(folder, options.images, *map(int, options.size.split("x")))
        rounds, outs = [], itertools.count()

        def score(workers: int) -> tuple[float, bytes]:
            start = time.perf_counter()
            out = folder / f"runs{next(outs)}"
            (result,) = score_maps(folder / "maps", title="maps", data=folder, out=out, workers=workers)
            return time.perf_counter() - start, (result.folder / "scores.parquet").read_bytes()

        score(2)  # compiles, and hashes the truths
        print(f"control: two processes do {control():.2f} times the work of one")
        for _ in range(options.runs):
            (one, expected), (two, found) = score(1), score(2)
            assert found == expected, "the scores differ"
            rounds.append((one, two))
        one, two = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratios = sorted(a / b for a, b in rounds)
        print(f"control: two processes do {control():.2f} times the work of one")
        print(f"{options.images} pairs of {options.size}: one worker {one:.2f} s, two workers {two:.2f} s,", end=" ")
        print(
            f"{statistics.median(ratios):.2f} times as fast ({ratios[0]:.2f}-{ratios[-1]:.2f}), the same scores.parquet"
        )


if __name__ == "__main__":
    main()
