"""Size-invariant MAE and F: Li et al., Size-invariance matters: rethinking metrics and losses for imbalanced
multi-object salient object detection, ICML 2024, as PySODMetrics 1.6.2 transcribes them.

Every target counts the same: a connected part of the truth of at least 50 pixels, or, where all are smaller, each of
the largest; pixels are connected by their four neighbours. A target is judged in its bounding box. An empty truth has
no target, and is judged as a whole; a full one is one target. PySODMetrics gives up on a full truth and on 64 or more
targets, confuses overlapping boxes above 53 targets, and has NaN for MAE where the boxes cover the image.
"""

import cv2
import numpy as np

from disbench.metrics.binary import MEASURES
from disbench.metrics.kernels import kernel
from disbench.metrics.protocols import NO_EPS, PYSOD
from disbench.metrics.stretch import stretch_levels
from disbench.metrics.thresholds import LEVELS, Levels, counts_above_half, counts_at_adaptive, counts_at_all_thresholds

SMALLEST = 50  # pixels of a target
BATCH = 1024  # targets whose histograms are kept together
F_VARIANTS = {
    "max": (counts_at_all_thresholds, np.max),
    "mean": (counts_at_all_thresholds, np.mean),
    "adaptive": (counts_at_adaptive, np.mean),
    "binary": (counts_above_half, np.mean),
}


def size_invariant(mask: np.ndarray, foreground: np.ndarray, lo: int, hi: int) -> dict[str, float]:
    """ "mae", and F as its "max", "mean", "adaptive" and "binary", each in 0..1.

    mae: (Σ e_k + α e_0) / (K + α), e_k the mean absolute error in box k of K, e_0 that outside of all boxes, and α the
        area outside, as a multiple of the area of all boxes together. Lower is better.
    F: mean over targets of F where map and truth are 0 outside of the target's box: its maximum and mean over 256
        thresholds, at twice the mean of that map, and above 1/2. "max" is of each target by itself.
    mask, foreground: uint8 (h, w), foreground 0 or 255; lo, hi: the levels of the mask that stand for 0 and 1. At
    threshold 0 all pixels of the image are positive.
    """
    boxes = _targets(foreground)
    error, scores = 0.0, dict.fromkeys(F_VARIANTS, 0.0)
    values = stretch_levels(lo, hi)
    for start in range(0, len(boxes), BATCH):
        inside = _histograms(mask, foreground, boxes[start : start + BATCH])
        areas = inside.sum((1, 2))
        error += _error(inside, lo, hi, areas)
        inside[:, 0, lo] += mask.size - areas
        span = (np.full(len(inside), level) for level in (lo, hi))
        levels = Levels(inside[:, 1], inside[:, 0], *span, np.tile(values, (len(inside), 1)))
        for name, (thresholds, reduce) in F_VARIANTS.items():
            f = MEASURES["f"](thresholds(levels), PYSOD, NO_EPS)
            scores[name] += float(reduce(f, axis=1).sum())
    outside = _outside(mask, foreground, boxes)
    rest = int(outside.sum())
    share = rest / (mask.size - rest)
    error += _error(outside[None], lo, hi, np.array([mask.size - rest]))  # α e_0, so not divided by the area outside
    return {"mae": error / (len(boxes) + share)} | {name: total / len(boxes) for name, total in scores.items()}


def _error(histograms: np.ndarray, lo: int, hi: int, areas: np.ndarray) -> float:
    """Sum over histograms (n, 2, 256) of the absolute errors of their pixels, divided by areas (n,)."""
    above, below = LEVELS - lo, hi - LEVELS
    return float(((histograms[:, 0] @ above + histograms[:, 1] @ below) / areas).sum() / (hi - lo))


def _targets(foreground: np.ndarray) -> np.ndarray:
    """int64 (n, 4): first row, row behind the last, first column, column behind the last of each target's box."""
    height, width = foreground.shape
    _, _, stats, _ = cv2.connectedComponentsWithStats(foreground, connectivity=4)
    left, top, wide, high, area = stats[1:].T.astype(np.int64)
    if not area.size:
        return np.array([[0, height, 0, width]])
    chosen = area >= min(SMALLEST, area.max())
    return np.stack([top, top + high, left, left + wide], 1)[chosen]


@kernel
def _histograms(mask, foreground, boxes):
    """int64 (n, 2, 256): pixels in each box by background/foreground and level."""
    counts = np.zeros((len(boxes), 2, 256), np.int64)
    for box in range(len(boxes)):
        top, bottom, left, right = boxes[box]
        for y in range(top, bottom):
            for x in range(left, right):
                counts[box, foreground[y, x] & 1, mask[y, x]] += 1
    return counts


@kernel
def _outside(mask, foreground, boxes):
    """int64 (2, 256): pixels outside of all boxes by background/foreground and level."""
    height, width = mask.shape
    counts = np.zeros((2, 256), np.int64)
    over = np.zeros(width + 1, np.int64)  # boxes that begin in this column, less those that end before it
    for y in range(height):
        for box in range(len(boxes)):
            top, bottom, left, right = boxes[box]
            step = (y == top) - (y == bottom)
            over[left] += step
            over[right] -= step
        boxed = 0
        for x in range(width):
            boxed += over[x]
            if boxed == 0:
                counts[foreground[y, x] & 1, mask[y, x]] += 1
    return counts
