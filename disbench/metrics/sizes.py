"""Size-invariant MAE, F and other measures of binary maps.

Li et al., Size-invariance matters: rethinking metrics and losses for imbalanced multi-object salient object detection,
ICML 2024, as PySODMetrics 1.6.2 transcribes them.

All targets have the same weight. A target is a connected part of the truth (by four neighbours) of at least 50 pixels.
If all parts are smaller, the targets are the largest ones. A target is scored in its bounding box. An empty truth has
no target and is scored as a whole. A full truth is one target.

Means over images of means over targets are what PySODMetrics calls sample-based. The other way is to add the pixels of
all targets of the data set first.

PySODMetrics fails for a full truth and for 64 or more targets, confuses overlapping boxes above 53 targets, and returns
NaN for MAE if the boxes cover the image.
"""

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from disbench.metrics.binary import BINARY_MEASURES
from disbench.metrics.kernels import kernel
from disbench.metrics.protocols import NO_EPS, PYSOD
from disbench.metrics.stretch import LEVELS, stretch_levels
from disbench.metrics.thresholds import Counts, Levels, counts_above_half, counts_at_adaptive, counts_at_all_thresholds

SMALLEST = 50  # least number of pixels of a target
BATCH = 1024  # targets whose histograms are in memory together
F_VARIANTS: dict[str, tuple[Callable[[Levels], Counts], Callable[..., np.ndarray]]] = {
    "max": (counts_at_all_thresholds, np.max),
    "mean": (counts_at_all_thresholds, np.mean),
    "adaptive": (counts_at_adaptive, np.mean),
    "binary": (counts_above_half, np.mean),
}


def size_invariant(prediction: np.ndarray, foreground: np.ndarray, lo: int, hi: int) -> dict[str, float]:
    """Compute size-invariant MAE and F of one image.

    MAE is (Σ e_k + α e_0) / (K + α). e_k is the mean absolute error in box k of K, e_0 the mean absolute error outside
    of all boxes, and α the ratio of the area outside to the area of all boxes together.

    F is the mean over targets of F with map and truth set to 0 outside of the target's box. At threshold 0 all pixels
    of the image are positive.

    Args:
        prediction: the map, uint8 (h, w).
        foreground: the foreground of the truth, uint8 (h, w), 0 or 255.
        lo: the level of the map that stands for 0.
        hi: the level of the map that stands for 1.

    Returns:
        Scores in 0..1. "mae": size-invariant MAE, lower is better. "max" and "mean": F, its maximum for each target
        and its mean over 256 thresholds. "adaptive": F at twice the mean of the target's map. "binary": F above 1/2.
    """
    boxes = target_boxes(foreground)
    error, scores = 0.0, dict.fromkeys(F_VARIANTS, 0.0)
    for inside, levels in target_levels(prediction, foreground, boxes, (lo, hi)):
        error += _error(inside, lo, hi, inside.sum((1, 2)))
        _add_scores(scores, "f", levels)
    outside = _outside(prediction, foreground, boxes)
    area_outside = int(outside.sum())
    area_inside = prediction.size - area_outside
    alpha = area_outside / area_inside
    error += _error(outside[None], lo, hi, np.array([area_inside]))  # α e_0, so the divisor is not the area outside
    return {"mae": error / (len(boxes) + alpha)} | {name: total / len(boxes) for name, total in scores.items()}


def size_invariant_measure(
    prediction: np.ndarray, foreground: np.ndarray, lo: int, hi: int, name: str
) -> dict[str, float]:
    """Compute a measure of binary maps, size-invariant as F in size_invariant().

    Args:
        prediction: the map, uint8 (h, w).
        foreground: the foreground of the truth, uint8 (h, w), 0 or 255.
        lo: the level of the map that stands for 0.
        hi: the level of the map that stands for 1.
        name: key in disbench.metrics.binary.BINARY_MEASURES.

    Returns:
        Scores by variant, as those of F.
    """
    boxes, scores = target_boxes(foreground), dict.fromkeys(F_VARIANTS, 0.0)
    for _, levels in target_levels(prediction, foreground, boxes, (lo, hi)):
        _add_scores(scores, name, levels)
    return {variant: total / len(boxes) for variant, total in scores.items()}


def count_targets(prediction: np.ndarray, foreground: np.ndarray, lo: int, hi: int) -> dict[str, float]:
    """Count the pixels of all targets where the map is above 1/2, each with map and truth set to 0 outside of its box.

    Args:
        prediction: the map, uint8 (h, w).
        foreground: the foreground of the truth, uint8 (h, w), 0 or 255.
        lo: the level of the map that stands for 0.
        hi: the level of the map that stands for 1.

    Returns:
        True and false positives and negatives, "tp", "fp", "fn", "tn". Their sum is the number of targets times that of
        the pixels.
    """
    total = np.zeros(4)
    for _, levels in target_levels(prediction, foreground, target_boxes(foreground), (lo, hi)):
        total += [side.sum() for side in counts_above_half(levels)]
    return dict(zip(Counts._fields, total.tolist(), strict=True))


def target_levels(
    prediction: np.ndarray, foreground: np.ndarray, boxes: np.ndarray, span: tuple[int, int]
) -> Iterator[tuple[np.ndarray, Levels]]:
    """Yield the pixels in the boxes of some targets, and the levels of each target's map and truth.

    Args:
        prediction: the map, uint8 (h, w).
        foreground: the foreground of the truth, uint8 (h, w), 0 or 255.
        boxes: the boxes of all targets, as target_boxes() returns them.
        span: the levels of the map that stand for 0 and 1.

    Yields:
        Pixels by background/foreground and level, int64 (n, 2, 256), and the levels of the whole image with map and
        truth set to 0 outside of each box.
    """
    lo, hi = span
    values = stretch_levels(lo, hi)
    for start in range(0, len(boxes), BATCH):
        inside = _histograms(prediction, foreground, boxes[start : start + BATCH])
        bg, fg = inside[:, 0].copy(), inside[:, 1]
        bg[:, lo] += prediction.size - inside.sum((1, 2))
        yield (
            inside,
            Levels(
                fg=fg,
                bg=bg,
                lo=np.full(len(inside), lo),
                hi=np.full(len(inside), hi),
                stretched=np.tile(values, (len(inside), 1)),
            ),
        )


def _add_scores(scores: dict[str, float], name: str, levels: Levels) -> None:
    """Add the scores of targets by a measure of binary maps, for each variant."""
    for variant, (thresholds, reduce) in F_VARIANTS.items():
        values = BINARY_MEASURES[name](thresholds(levels), PYSOD, NO_EPS)
        scores[variant] += float(reduce(values, axis=1).sum())


def _error(histograms: np.ndarray, lo: int, hi: int, areas: np.ndarray) -> float:
    """Return the sum over histograms (n, 2, 256) of their pixels' absolute errors, each divided by its area (n,)."""
    above, below = LEVELS - lo, hi - LEVELS
    return float(((histograms[:, 0] @ above + histograms[:, 1] @ below) / areas).sum() / (hi - lo))


def target_boxes(foreground: np.ndarray) -> np.ndarray:
    """Return the boxes of the targets, int64 (n, 4). Without foreground, the image is one box.

    A box is (first row, row behind the last, first column, column behind the last).
    """
    height, width = foreground.shape
    _, _, stats, _ = cv2.connectedComponentsWithStats(foreground, connectivity=4)
    left, top, wide, high, area = stats[1:].T.astype(np.int64)
    if not area.size:
        return np.array([[0, height, 0, width]])
    is_target = area >= min(SMALLEST, area.max())
    return np.stack([top, top + high, left, left + wide], 1)[is_target]


@kernel
def _histograms(prediction, foreground, boxes):
    """Count the pixels in each box by background/foreground and level, int64 (n, 2, 256)."""
    counts = np.zeros((len(boxes), 2, 256), np.int64)
    for box in range(len(boxes)):
        top, bottom, left, right = boxes[box]
        for y in range(top, bottom):
            for x in range(left, right):
                counts[box, foreground[y, x] & 1, prediction[y, x]] += 1
    return counts


@kernel
def _outside(prediction, foreground, boxes):
    """Count the pixels outside of all boxes by background/foreground and level, int64 (2, 256)."""
    height, width = prediction.shape
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
                counts[foreground[y, x] & 1, prediction[y, x]] += 1
    return counts
