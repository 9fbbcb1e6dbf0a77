"""The paper's five measures compared with PySODMetrics 1.6.2: paired CPU time of one thread, and agreement.

Both are timed in turn, on the same arrays, in one process, so only the ratios are meaningful. "From files" includes the
decoding of ground truth and map, which are PNGs of Pillow, by OpenCV for PySODMetrics. PySODMetrics pins its packages,
so make an environment for the comparison and run it from the root of the checkout:

    python -m venv pair-env && pair-env/bin/pip install pysodmetrics==1.6.2 numba deflate pillow pyarrow click rich
    PYTHONPATH=. pair-env/bin/python benchmarks/score.py [--runs 3] [--sizes 1024x1024,2048x2048,3000x4000]
"""

import argparse
import os
import statistics
import tempfile
import warnings
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # must be set before NumPy is imported

import cv2
import numpy as np
import py_sod_metrics
from clock import seconds
from pairs import FLAVOURS, KINDS, draw_mask, draw_truth
from PIL import Image

from disbench.data.images import read_map, read_truth
from disbench.data.png import decode_grey
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
    results = {}
    for metric in (cls() for cls in PEERS):
        metric.step(mask, truth)
        results |= metric.get_results()
    return {
        "f": results["fm"]["curve"][::-1],
        "e": results["em"]["curve"][::-1],
        "s_measure": results["sm"],
        "f_weighted": results["wfm"],
        "mae": results["mae"],
    }


def ours(mask: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    measurements = [measure(mask, truth)]
    return per_image(measurements) | curves(measurements)


def peer_read(mask: Path, truth: Path) -> tuple[np.ndarray, np.ndarray]:
    return cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE), cv2.imread(str(truth), cv2.IMREAD_GRAYSCALE)


def read(mask: Path, truth: Path) -> tuple[np.ndarray, np.ndarray]:
    return read_map(mask), read_truth(truth)


def time_pairs(height: int, width: int, flavour: str, runs: int) -> tuple[list[tuple[float, ...]], dict[str, float]]:
    """Time a pair of each kind.

    Returns:
        For every round, the seconds of PySODMetrics, disbench, reading by OpenCV and reading by disbench; and the
        greatest difference of each measure.
    """
    rounds: list[tuple[float, ...]] = []
    differences: dict[str, float] = {}
    for kind in KINDS:
        truth = draw_truth(height, width, kind)
        mask = draw_mask(truth, flavour)
        scores, expected = ours(mask, truth), peer(mask, truth)
        for key, value in expected.items():
            differences[key] = max(float(np.abs(scores[key] - value).max()), differences.get(key, 0.0))
        with tempfile.TemporaryDirectory() as folder:
            files = Path(folder, "mask.png"), Path(folder, "truth.png")
            for pixels, file in zip((mask, truth), files, strict=True):
                Image.fromarray(pixels).save(file)
            assert all(np.array_equal(a, b) for a, b in zip(read(*files), peer_read(*files), strict=True))
            for _ in range(runs):
                measured = seconds(peer, mask, truth), seconds(ours, mask, truth)
                rounds.append((*measured, seconds(peer_read, *files), seconds(read, *files)))
    return rounds, differences


def prepare() -> None:
    """Set OpenCV to one thread, and compile disbench's kernels."""
    warnings.filterwarnings("ignore")
    cv2.setNumThreads(1)
    for size in (8, 200):
        noise = np.random.default_rng(0).integers(0, 256, (size, size), np.uint8)
        ours(noise, noise)
        decode_grey(cv2.imencode(".png", noise, [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH])[1].tobytes())


def format_ratios(values: list[float]) -> str:
    return f"{statistics.median(values):6.0f} ({min(values):.0f}-{max(values):.0f})".ljust(16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="timed rounds per image; one image of each kind")
    parser.add_argument("--sizes", default="1024x1024,2048x2048,3000x4000")
    parser.add_argument("--flavours", default=",".join(FLAVOURS))
    options = parser.parse_args()
    prepare()
    print("size       flavour   PySODMetrics disbench  ratio (range)   OpenCV  decoding  from files       difference")
    for size in options.sizes.split(","):
        height, width = map(int, size.split("x"))
        for flavour in options.flavours.split(","):
            rounds, differences = time_pairs(height, width, flavour, options.runs)
            slow, fast, decoding, sooner = (statistics.median(column) * 1e3 for column in zip(*rounds, strict=True))
            ratios = format_ratios([a / b for a, b, _, _ in rounds])
            ratios_from_files = format_ratios([(a + c) / (b + d) for a, b, c, d in rounds])
            print(
                f"{size:10} {flavour:8} {slow:9.0f} ms {fast:6.1f} ms {ratios}",
                f"{decoding:5.0f} ms {sooner:5.1f} ms {ratios_from_files}",
                ", ".join(f"{key} {value:.0e}" for key, value in differences.items()),
                flush=True,
            )


if __name__ == "__main__":
    main()
