"""S-measure: Fan et al., Structure-measure: a new way to evaluate foreground maps, ICCV 2017.

S follows from one histogram per quadrant around the centroid of the truth. Moments are Python integers, which cannot
overflow, so it is decided exactly whether a quadrant is constant. PySODMetrics decides that by rounded sums, and
scores some constant quadrants as 0 that should be 1. The two differ only in these cases.

Floats are not raised to powers, because C's pow rounds by processor, and are added by fsum, because Python's sum rounds
by version.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from disbench.metrics.foreground import Foreground
from disbench.metrics.kernels import joint_histogram
from disbench.metrics.protocols import SAMPLE, StructureRules
from disbench.metrics.stretch import LEVELS


class Moments(NamedTuple):
    """The number of some pixels, and the sums of their levels above lo and of the squares of these."""

    pixels: int
    total: int
    squares: int


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
    scale = int(hi) - int(lo)
    quadrants = [(Moments(*bg), Moments(*fg)) for bg, fg in (counts @ _powers(int(lo))).tolist()]
    sizes = [bg.pixels + fg.pixels for bg, fg in quadrants]
    bg, fg = (Moments(*map(sum, zip(*side, strict=True))) for side in zip(*quadrants, strict=True))
    pixels, truth = sum(sizes), fg.pixels
    if truth in (0, pixels):
        mean = (bg.total + fg.total) / (pixels * scale)
        return mean if truth else 1 - mean
    if rules.undefined_is_zero and (is_object_undefined(truth, pixels, rules) or min(sizes) < 2):
        return 0.0
    regions = math.fsum(
        size / pixels * _ssim(bg, fg, scale, rules) for size, (bg, fg) in zip(sizes, quadrants, strict=True) if size
    )
    score = 0.5 * _compare_objects(bg, fg, scale, rules) + 0.5 * regions
    return max(0.0, score) if rules.clamp else score


def is_object_undefined(truth: int, pixels: int, rules: StructureRules) -> bool:
    """Check whether a sample variance is that of a side with one pixel, of a truth with two sides."""
    return rules.sample_objects and min(truth, pixels - truth) == 1


def object_similarity(bg: np.ndarray, fg: np.ndarray, lo: int, hi: int, rules: StructureRules = SAMPLE) -> float:
    """Return the similarity of objects, which is half of S, from the histograms (256,) of both sides, not empty."""
    outside, inside = (Moments(*(side @ _powers(lo)).tolist()) for side in (bg, fg))
    return _compare_objects(outside, inside, hi - lo, rules)


@lru_cache
def _powers(lo: int) -> np.ndarray:
    """Return the powers 0, 1 and 2 of levels above lo, int64 (256, 3)."""
    return (LEVELS - lo)[:, None] ** np.arange(3)


def _compare_objects(bg: Moments, fg: Moments, scale: int, rules: StructureRules) -> float:
    """Return the similarity of the foreground to all ones and of the background to all zeros, by their shares."""
    share = fg.pixels / (bg.pixels + fg.pixels)
    below = scale * bg.pixels - bg.total  # sums of scale - level
    outside = Moments(bg.pixels, below, scale * (below - bg.total) + bg.squares)
    return share * _object(fg, scale, rules) + (1 - share) * _object(outside, scale, rules)


def _object(side: Moments, scale: int, rules: StructureRules) -> float:
    """Return the similarity of the pixels of one side to all ones. The deviation of one pixel is 0."""
    pixels, total, squares = side
    mean = total / (pixels * scale)
    freedom = max(pixels - 1, 1) if rules.sample_objects else pixels
    deviation = math.sqrt((pixels * squares - total**2) / (pixels * freedom)) / scale
    return 2 * mean / (mean * mean + 1 + deviation + rules.eps)


def _ssim(bg: Moments, fg: Moments, scale: int, rules: StructureRules) -> float:
    """Return the structural similarity of one quadrant, without its constants."""
    pixels, total, squares = (below + above for below, above in zip(bg, fg, strict=True))
    truth, hits = fg.pixels, fg.total
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
