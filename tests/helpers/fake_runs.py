"""Finished run folders with random rows, for tests of leaderboards, comparisons and reports. No image is decoded."""

from hashlib import sha256

import numpy as np

from disbench.metrics import pixel_metrics
from disbench.metrics.catalogue import STANDARD
from disbench.metrics.measurement import KERNEL_VERSION, Measurement
from disbench.metrics.protocols import PROTOCOLS
from disbench.runs.manifest import Manifest, open_run
from disbench.runs.result import load_run
from disbench.runs.row_log import Row
from disbench.runs.scores_file import finish_run

COLUMNS = pixel_metrics.list_needed_columns(PROTOCOLS.values(), STANDARD)
ADDED = (".pdfnet",)  # columns of later protocols, which are drawn apart, so that all other numbers stay
MINI = "DIS-Mini (synthetic, not DIS5K)", "dis-mini-v1"


def measurement(rng: np.random.Generator, quality: float, empty: bool = False) -> Measurement:
    """Draw the measurement of a map of 1000 pixels.

    quality: fraction of pixels near the right end of the range; the levels of the others are uniform.
    """
    truth = 0 if empty else int(rng.integers(100, 900))
    wrong = rng.integers(0, 256, 1000)
    right = np.clip(rng.normal(255, 30, 1000), 0, 255).astype(int)
    good = rng.random(1000) < quality
    fg = np.where(good, right, wrong)[:truth]
    bg = np.where(good, 255 - right, wrong)[truth:]
    histograms = (np.bincount(side, minlength=256).astype(np.uint32) for side in (fg, bg))
    apart = rng.spawn(1)[0]
    values = {
        column: (apart if column.endswith(ADDED) else rng).beta(8 * quality, 2) for column in COLUMNS
    }
    return Measurement(25, 40, *histograms, values)


def measurements(n: int, quality: float = 0.7, seed: int = 0, empty: int = 0) -> list[Measurement]:
    """Draw n measurements. The first `empty` have a ground truth without foreground."""
    rng = np.random.default_rng(seed)
    return [measurement(rng, quality, i < empty) for i in range(n)]


def make_run(root, model="diffdis", quality=0.7, n=12, splits=("DIS-TE1",), seed=0, title="DiffDIS-mini", data=MINI):
    """Write and load a finished run of n images in each split. The ground truth depends only on n and splits."""
    truths = {split: {"truths": sha256(split.encode()).hexdigest(), "images": ""} for split in splits}
    weights = f"{quality} {n} {seed} {data}"
    identity = {"model": model, "weights": weights, "kernel": KERNEL_VERSION, "data": truths, "columns": []}
    dataset, token = data
    counts = dict.fromkeys(splits, n)
    manifest = Manifest(
        title=title, dataset=dataset, token=token, protocol="pysod", splits=counts, identity=identity
    )
    rng, truth_rng = np.random.default_rng(seed), np.random.default_rng(0)
    rows = []
    for split in splits:
        for i in range(n):
            truth = int(truth_rng.integers(100, 900))
            drawn = measurement(rng, float(np.clip(quality + rng.normal(0, 0.1), 0.05, 0.98)))
            fg, bg = (_resize(side, size) for side, size in ((drawn.fg_hist, truth), (drawn.bg_hist, 1000 - truth)))
            rows.append(Row(split, f"{i:03}", Measurement(25, 40, fg, bg, drawn.values), {"infer": 0.1 + i / 100}, ""))
    folder = open_run(root, model, manifest)
    finish_run(folder, rows, {"environment": {"cpu": "a CPU"}, "finished": "2026-01-01T00:00:00+00:00", "data": ["x"]})
    return load_run(folder)


def _resize(counts: np.ndarray, pixels: int) -> np.ndarray:
    """Return a histogram of `pixels` pixels with the levels of another, repeated or cut."""
    levels = np.repeat(np.arange(256), counts)
    return np.bincount(np.resize(levels, pixels), minlength=256).astype(np.uint32)
