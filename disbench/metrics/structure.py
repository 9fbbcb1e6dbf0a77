"""S-measure: Fan et al., Structure-measure: a new way to evaluate foreground maps, ICCV 2017.

S follows from one histogram per quadrant around the centroid of the truth. Moments are Python integers, which cannot
overflow, so it is decided exactly whether a quadrant is constant. PySODMetrics decides that by rounded sums, and
scores some constant quadrants as 0 that should be 1. The two differ only in these cases.

Floats are not raised to powers, because C's pow rounds by processor, and are added by fsum, because Python's sum rounds
by version.
"""

import math

import numpy as np

from disbench.metrics.foreground import Foreground
from disbench.metrics.kernels import joint_histogram
from disbench.metrics.protocols import SAMPLE, StructureRules
from disbench.metrics.stretch import LEVELS


def quadrant_histograms(prediction: np.ndarray, foreground: Foreground) -> np.ndarray:
    """Count pixels by quadrant (row-major), background/foreground and level, int64 (4, 2, 256).

    The upper left quadrant includes the centroid of the foreground, whose coordinates round half to even. Without
    foreground, all pixels are in the lower right one.
    """
    row, column = 0, 0
    if foreground.pixels:
        row, column = (round(total / foreground.pixels) + 1 for total in (foreground.rows, foreground.columns))
    return joint_histogram(prediction, foreground.mask, row, column)


def s_measure(counts: np.ndarray, lo: int, hi: int, rules: StructureRules = SAMPLE) -> float:
    """Compute S of one image.

    Args:
        counts: the image's quadrant_histograms().
        lo: the level that stands for 0.
        hi: the level that stands for 1.
        rules: how the protocol computes S.

    Returns:
        S, finite for every map.
    """
    lo, hi = int(lo), int(hi)
    bg, fg = counts.sum(0)
    pixels, truth = int(counts.sum()), int(fg.sum())
    if truth in (0, pixels):
        mean = int((bg + fg) @ (LEVELS - lo)) / (pixels * (hi - lo))
        return mean if truth else 1 - mean
    if rules.undefined_is_zero and (is_object_undefined(truth, pixels, rules) or counts.sum((1, 2)).min() < 2):
        return 0.0
    objects = object_similarity(bg, fg, lo, hi, rules)
    regions = math.fsum(
        int(quadrant.sum()) / pixels * _ssim(quadrant, lo, hi, rules) for quadrant in counts if quadrant.any()
    )
    score = 0.5 * objects + 0.5 * regions
    return max(0.0, score) if rules.clamp else score


def is_object_undefined(truth: int, pixels: int, rules: StructureRules) -> bool:
    """Check whether a sample variance is that of a side with one pixel, of a truth with two sides."""
    return rules.sample_objects and min(truth, pixels - truth) == 1


def object_similarity(bg: np.ndarray, fg: np.ndarray, lo: int, hi: int, rules: StructureRules = SAMPLE) -> float:
    """Return the similarity of objects, which is half of S, from the histograms (256,) of both sides, not empty."""
    pixels, truth = int(bg.sum()) + int(fg.sum()), int(fg.sum())
    share = truth / pixels
    inside, outside = _object(fg, LEVELS - lo, hi - lo, rules), _object(bg, hi - LEVELS, hi - lo, rules)
    return share * inside + (1 - share) * outside


def _object(counts: np.ndarray, levels: np.ndarray, scale: int, rules: StructureRules) -> float:
    """Return the similarity of the pixels of one side to all ones. The deviation of one pixel is 0."""
    pixels, total, squares = (int(counts @ power) for power in (np.ones_like(levels), levels, levels**2))
    mean = total / (pixels * scale)
    freedom = max(pixels - 1, 1) if rules.sample_objects else pixels
    deviation = math.sqrt((pixels * squares - total**2) / (pixels * freedom)) / scale
    return 2 * mean / (mean * mean + 1 + deviation + rules.eps)


def _ssim(quadrant: np.ndarray, lo: int, hi: int, rules: StructureRules) -> float:
    """Return the structural similarity of one quadrant, without its constants."""
    bg, fg = quadrant
    levels, scale = LEVELS - lo, hi - lo
    pixels, truth = int(quadrant.sum()), int(fg.sum())
    total, squares, hits = int((bg + fg) @ levels), int((bg + fg) @ levels**2), int(fg @ levels)
    # pixels^2 times the variances and the covariance, of levels 0..scale
    map_variance = pixels * squares - total**2
    truth_variance = truth * (pixels - truth)
    covariance = pixels * hits - total * truth
    if total * truth * covariance == 0:
        return float((total == 0 and truth == 0) or (map_variance == 0 and truth_variance == 0))
    x, y = total / (pixels * scale), truth / pixels
    samples = pixels * (pixels - 1)
    alpha = 4 * x * y * (covariance / (scale * samples))
    freedom = samples if rules.sample else pixels**2
    beta = (x * x + y * y) * (map_variance / (scale**2 * freedom) + truth_variance / freedom)
    return alpha / (beta + rules.eps)
