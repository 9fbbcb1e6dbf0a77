"""The five measures of the paper against PySODMetrics 1.6.2: paired CPU time of one thread, and agreement.

Both are timed in turn, on the same arrays, in one process, so only the ratios mean anything. "From files" adds the
decoding of truth and map, PNGs as Pillow writes them, by OpenCV for PySODMetrics. PySODMetrics pins packages of its
own; make an environment for the comparison and run it from the root of the checkout:

    python -m venv pair-env && pair-env/bin/pip install pysodmetrics==1.6.2 numba deflate pillow pyarrow
    PYTHONPATH=. pair-env/bin/python benchmarks/score.py [--runs 3] [--sizes 1024x1024,2048x2048,3000x4000]
"""

import argparse
import os
import statistics
import tempfile
import warnings
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before NumPy is loaded

import cv2
import numpy as np
import py_sod_metrics
from clock import seconds
from pairs import FLAVOURS, KINDS, draw_mask, draw_truth
from PIL import Image

from disbench.data.images import read_map, read_truth
from disbench.metrics.measurement import measure
from disbench.metrics.scoring import curves, per_image

PEERS = (
    py_sod_metrics.MAE,
    py_sod_metrics.Fmeasure,
    py_sod_metrics.Emeasure,
    py_sod_metrics.Smeasure,
    py_sod_metrics.WeightedFmeasure,
)


def peer(mask: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    found = {}
    for metric in (cls() for cls in PEERS):
        metric.step(mask, truth)
        found |= metric.get_results()
    return {
        "f": found["fm"]["curve"][::-1],
        "e": found["em"]["curve"][::-1],
        "s_measure": found["sm"],
        "f_weighted": found["wfm"],
        "mae": found["mae"],
    }


def ours(mask: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    measurements = [measure(mask, truth)]
    return per_image(measurements) | curves(measurements)


def peer_read(mask: Path, truth: Path) -> tuple[np.ndarray, np.ndarray]:
    return cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE), cv2.imread(str(truth), cv2.IMREAD_GRAYSCALE)


def read(mask: Path, truth: Path) -> tuple[np.ndarray, np.ndarray]:
    return read_map(mask), read_truth(truth)


def middle(values: list[float]) -> str:
    return f"{statistics.median(values):6.0f} ({min(values):.0f}-{max(values):.0f})".ljust(16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="timed rounds per image; there is one of each kind")
    parser.add_argument("--sizes", default="1024x1024,2048x2048,3000x4000")
    parser.add_argument("--flavours", default=",".join(FLAVOURS))
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    cv2.setNumThreads(1)
    ours(np.zeros((8, 8), np.uint8), np.full((8, 8), 255, np.uint8))  # compile
    ours(*np.eye(16, dtype=np.uint8)[None].repeat(2, 0) * 255)
    print("size       flavour   PySODMetrics disbench  ratio (range)   OpenCV  decoding  from files       difference")
    for size in options.sizes.split(","):
        height, width = map(int, size.split("x"))
        for flavour in options.flavours.split(","):
            rounds, differences = [], {}
            for kind in KINDS:
                truth = draw_truth(height, width, kind)
                mask = draw_mask(truth, flavour)
                found, expected = ours(mask, truth), peer(mask, truth)
                for key, value in expected.items():
                    difference = float(np.abs(found[key] - value).max())
                    differences[key] = max(difference, differences.get(key, 0.0))
                with tempfile.TemporaryDirectory() as folder:
                    files = Path(folder, "mask.png"), Path(folder, "truth.png")
                    for pixels, file in zip((mask, truth), files, strict=True):
                        Image.fromarray(pixels).save(file)
                    assert all(np.array_equal(a, b) for a, b in zip(read(*files), peer_read(*files), strict=True))
                    rounds += [
                        (
                            seconds(peer, mask, truth),
                            seconds(ours, mask, truth),
                            seconds(peer_read, *files),
                            seconds(read, *files),
                        )
                        for _ in range(options.runs)
                    ]
            slow, fast, decoding, sooner = (statistics.median(column) * 1e3 for column in zip(*rounds, strict=True))
            print(
                f"{size:10} {flavour:8} {slow:9.0f} ms {fast:6.1f} ms {middle([a / b for a, b, _, _ in rounds])}",
                f"{decoding:5.0f} ms {sooner:5.1f} ms {middle([(a + c) / (b + d) for a, b, c, d in rounds])}",
                ", ".join(f"{key} {value:.0e}" for key, value in differences.items()),
                flush=True,
            )


if __name__ == "__main__":
    main()
