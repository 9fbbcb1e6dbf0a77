"""The five measures of the paper against PySODMetrics 1.6.2: paired CPU time of one thread, and agreement.

Both are timed in turn, on the same arrays, in one process, so only the ratios mean anything. PySODMetrics pins packages
of its own; make an environment for the comparison and run it from the root of the checkout:

    python -m venv pair-env && pair-env/bin/pip install pysodmetrics==1.6.2 numba
    PYTHONPATH=. pair-env/bin/python benchmarks/score.py [--runs 3] [--sizes 1024x1024,2048x2048,3000x4000]
"""

import argparse
import os
import statistics
import warnings

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before NumPy is loaded

import cv2
import numpy as np
import py_sod_metrics
from clock import seconds

from disbench.metrics import curves, measure, per_image

NETWORK = (1024, 1024)  # at what size the maps are made, before they are resized to the truth's
FLAVOURS = {"typical": (12.0, 0.0, 0, 255), "noisy": (6.0, 0.8, 3, 248)}  # gain, noise, lowest and highest level
PEERS = (
    py_sod_metrics.MAE,
    py_sod_metrics.Fmeasure,
    py_sod_metrics.Emeasure,
    py_sod_metrics.Smeasure,
    py_sod_metrics.WeightedFmeasure,
)


def draw_truth(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Wheels with thin spokes, hairs, and a solid body with holes."""
    truth = np.zeros((height, width), np.uint8)
    scale = min(height, width)
    for _ in range(3):
        centre, radius = rng.uniform(0.25, 0.75, 2) * (width, height), rng.uniform(0.12, 0.3) * scale
        cv2.circle(truth, centre.astype(int).tolist(), int(radius), 255, max(2, scale // 100))
        for angle in np.linspace(0, 2 * np.pi, 37, endpoint=False):
            rim = centre + radius * np.array([np.cos(angle), np.sin(angle)])
            cv2.line(truth, centre.astype(int).tolist(), rim.astype(int).tolist(), 255, max(1, scale // 700))
    for _ in range(200):
        path = rng.uniform(0, 1, 2) * (width, height) + rng.normal(0, 0.012 * scale, (12, 2)).cumsum(0)
        cv2.polylines(truth, [path.astype(np.int32)], False, 255, 1)
    body = rng.uniform(0.3, 0.7, 2) * (width, height)
    cv2.circle(truth, body.astype(int).tolist(), scale // 9, 255, -1)
    for hole in body + rng.normal(0, 0.05 * scale, (15, 2)):
        cv2.circle(truth, hole.astype(int).tolist(), scale // 110, 0, -1)
    return truth


def draw_mask(truth: np.ndarray, flavour: str, rng: np.random.Generator) -> np.ndarray:
    """What a network makes of it: soft edges, parts missed and invented, resized from the network's own size."""
    gain, noise, low, high = FLAVOURS[flavour]
    small = cv2.resize(truth, NETWORK, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    logits = gain * (cv2.GaussianBlur(small, (0, 0), 0.9) - 0.4) - 3 * (small < 0.02) * (noise == 0)
    for cells, strength in ((10, 1.5), (50, 0.8)):
        patches = rng.normal(0, strength, (cells, cells)).astype(np.float32)
        logits += cv2.resize(patches, NETWORK, interpolation=cv2.INTER_CUBIC)
    logits += noise * rng.normal(0, 1, NETWORK)
    mask = cv2.resize(1 / (1 + np.exp(-logits)), truth.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.round(low + (high - low) * mask).astype(np.uint8)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="timed pairs per image")
    parser.add_argument("--images", type=int, default=2, help="images per row")
    parser.add_argument("--sizes", default="1024x1024,2048x2048,3000x4000")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    cv2.setNumThreads(1)
    ours(np.zeros((8, 8), np.uint8), np.full((8, 8), 255, np.uint8))  # compile
    ours(*np.eye(16, dtype=np.uint8)[None].repeat(2, 0) * 255)
    print("size        flavour   PySODMetrics   disbench   ratio (range)     greatest difference")
    for size in options.sizes.split(","):
        height, width = map(int, size.split("x"))
        for flavour in FLAVOURS:
            times, differences = [], {}
            for seed in range(options.images):
                rng = np.random.default_rng(seed)
                truth = draw_truth(height, width, rng)
                mask = draw_mask(truth, flavour, rng)
                found, expected = ours(mask, truth), peer(mask, truth)
                for key, value in expected.items():
                    difference = float(np.abs(found[key] - value).max())
                    differences[key] = max(difference, differences.get(key, 0.0))
                times += [(seconds(peer, mask, truth), seconds(ours, mask, truth)) for _ in range(options.runs)]
            ratios = sorted(a / b for a, b in times)
            slow, fast = (statistics.median(column) for column in zip(*times, strict=True))
            print(
                f"{size:11} {flavour:9} {slow:9.2f} s {fast * 1e3:10.1f} ms {statistics.median(ratios):6.0f}",
                f"({ratios[0]:.0f}-{ratios[-1]:.0f})".ljust(9),
                "  " + ", ".join(f"{key} {value:.0e}" for key, value in differences.items()),
                flush=True,
            )


if __name__ == "__main__":
    main()
