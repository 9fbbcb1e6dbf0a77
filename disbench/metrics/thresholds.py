"""From the level histograms of n images to their errors, and to pixel counts at thresholds.

All other measures of binary maps follow from these counts. Whatever can be decided or summed in integers is, so that
rounding enters only once, in the last division.
"""

from typing import NamedTuple

import numpy as np

from disbench.metrics.protocols import EvalProtocol
from disbench.metrics.stretch import LEVELS


class Levels(NamedTuple):
    """The level histograms of n images under one protocol.

    Attributes:
        fg: foreground pixels at each level of the map, int64 (n, 256).
        bg: background pixels at each level of the map, int64 (n, 256).
        lo: the level of each map that stands for 0, int64 (n,).
        hi: the level of each map that stands for 1, int64 (n,).
        stretched: the value of each level, (n, 256), by the protocol's floating-point operations. NaN marks a map
            that is positive at no threshold.
    """

    fg: np.ndarray
    bg: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    stretched: np.ndarray


class Counts(NamedTuple):
    """True and false positives, false and true negatives of n images at k thresholds, float64 (n, k) each.

    Counts are integers below 2^53 and therefore exact. So is the product of two counts of one image, up to 94
    megapixels.
    """

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    tn: np.ndarray

    @property
    def positives(self) -> np.ndarray:
        """Pixels that the map calls foreground."""
        return self.tp + self.fp

    @property
    def truth(self) -> np.ndarray:
        """Foreground pixels of the truth."""
        return self.tp + self.fn

    @property
    def background(self) -> np.ndarray:
        """Background pixels of the truth."""
        return self.fp + self.tn

    @property
    def pixels(self) -> np.ndarray:
        """All pixels."""
        return self.truth + self.background


def levels_from_histograms(fg: np.ndarray, bg: np.ndarray, protocol: EvalProtocol) -> Levels:
    """Apply a protocol to raw histograms.

    Args:
        fg: foreground pixels at each level, (n, 256).
        bg: background pixels at each level, (n, 256).
        protocol: decides the stretch, and whether maps are made binary.

    Returns:
        The histograms as the protocol scores them.
    """
    fg, bg = fg.astype(np.int64), bg.astype(np.int64)
    lo, hi = level_span(fg + bg)
    if protocol.binarise:
        fg, bg = binarise_histogram(fg, lo, hi), binarise_histogram(bg, lo, hi)
        lo, hi = level_span(np.zeros_like(fg))
    stretched = _STRETCH[protocol.arithmetic](lo, hi)
    if not protocol.constant_counts:
        is_constant = ((fg + bg) > 0).sum(1, keepdims=True) == 1
        stretched = np.where(is_constant, np.nan, stretched)
    return Levels(fg, bg, lo, hi, stretched)


def level_span(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return lo and hi of maps with level counts (..., 256). A constant or empty map is not stretched: (0, 255)."""
    present = counts > 0
    lo = present.argmax(-1)
    hi = 255 - present[..., ::-1].argmax(-1)
    unstretched = lo >= hi
    return np.where(unstretched, 0, lo), np.where(unstretched, 255, hi)


def binarise_histogram(counts: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """Return the level counts of binary maps, which are 255 where the stretched map is above 1/2.

    Args:
        counts: level counts of the maps, (..., 256).
        lo: the level of each map that stands for 0, (...).
        hi: the level of each map that stands for 1, (...).

    Returns:
        Level counts (..., 256), not 0 only at levels 0 and 255.
    """
    above = np.asarray(lo + hi)[..., None] < 2 * LEVELS
    binary = np.zeros_like(counts)
    binary[..., 255] = (counts * above).sum(-1)
    binary[..., 0] = counts.sum(-1) - binary[..., 255]
    return binary


def score_soft_dice(levels: Levels, smooth: float) -> np.ndarray:
    """Return soft Dice (n,): 2 sum(map * truth) / (sum(map) + sum(truth)) of the stretched maps; 0/0 is 0.

    `smooth` is added to numerator and divisor. Milletari et al., V-Net, 3DV 2016.
    """
    fg, bg, lo, hi, _ = levels
    above, scale = LEVELS - lo[:, None], hi - lo
    hits = 2 * (fg * above).sum(1)
    area = ((fg + bg) * above).sum(1) + fg.sum(1) * scale
    return (hits / scale + smooth) / np.where(area == 0, smooth or 1, area / scale + smooth)


def score_mae(levels: Levels) -> np.ndarray:
    """Return the mean absolute error (n,) of the stretched maps."""
    return _mean_error(levels, 1)


def score_mse(levels: Levels) -> np.ndarray:
    """Return the mean squared error (n,) of the stretched maps."""
    return _mean_error(levels, 2)


def _mean_error(levels: Levels, power: int) -> np.ndarray:
    fg, bg, lo, hi, _ = levels
    above, below = (LEVELS - lo[:, None]) ** power, (hi[:, None] - LEVELS) ** power
    return ((bg * above).sum(1) + (fg * below).sum(1)) / ((fg + bg).sum(1) * (hi - lo) ** power)


def counts_at_all_thresholds(levels: Levels) -> Counts:
    """Return counts at thresholds 0 to 255 of the stretched map, truncated to levels; positive at or above."""
    fg, bg, _, _, stretched = levels
    never = np.isnan(stretched)
    level = np.clip(np.where(never, 0, stretched) * 255, 0, 255).astype(np.int64)
    bins = (np.arange(len(fg))[:, None] * 256 + level).ravel()

    def count_at_or_above(side: np.ndarray) -> np.ndarray:
        side = np.where(never, 0, side)
        histogram = np.bincount(bins, side.ravel(), side.size).reshape(side.shape)
        return histogram[:, ::-1].cumsum(1)[:, ::-1]

    return _complete_counts(count_at_or_above(fg), count_at_or_above(bg), fg, bg)


def counts_at_adaptive(levels: Levels) -> Counts:
    """Return counts at each image's adaptive threshold, min(twice the mean of the stretched map, 1).

    The comparison is exact, in integers. Achanta et al., Frequency-tuned salient region detection, CVPR 2009.
    """
    fg, bg, lo, hi, _ = levels
    counts, above = fg + bg, LEVELS - lo[:, None]
    total = (counts * above).sum(1, keepdims=True)
    positive = (above * counts.sum(1, keepdims=True) >= 2 * total) | (above == (hi - lo)[:, None])
    return _counts_of_positive(positive, fg, bg)


def counts_above_half(levels: Levels) -> Counts:
    """Return counts where the stretched map is above 1/2."""
    return _counts_of_positive(levels.stretched > 0.5, levels.fg, levels.bg)


def counts_from_half(levels: Levels) -> Counts:
    """Return counts where the stretched map is at or above 1/2."""
    return _counts_of_positive(levels.stretched >= 0.5, levels.fg, levels.bg)


def _stretch_units(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """Return the value of each level (n, 256), 0 at lo and 1 at hi, in PySODMetrics' order of operations.

    For a quarter of all (lo, hi) the exact quotient would put some level into the next of 256 bins.
    """
    unit = LEVELS / 255
    start, end = unit[lo][:, None], unit[hi][:, None]
    return (unit - start) / (end - start)


def _stretch_integers(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """Stretch as `_stretch_units` does, but in MVANet's order: integers are subtracted first."""
    return (LEVELS - lo[:, None]) / (hi - lo)[:, None]


def _stretch_float32(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """Stretch as `_stretch_units` does, but in the single precision of a PyTorch tensor level / 255."""
    unit = LEVELS.astype(np.float32) / np.float32(255)
    start, end = unit[lo][:, None], unit[hi][:, None]
    return (unit - start) / (end - start)


_STRETCH = {"unit": _stretch_units, "level": _stretch_integers, "float32": _stretch_float32}


def _counts_of_positive(positive: np.ndarray, fg: np.ndarray, bg: np.ndarray) -> Counts:
    """Return counts (n, 1) of maps that are positive at some levels, bool (n, 256)."""
    tp, fp = ((side * positive).sum(1, keepdims=True, dtype=np.float64) for side in (fg, bg))
    return _complete_counts(tp, fp, fg, bg)


def _complete_counts(tp: np.ndarray, fp: np.ndarray, fg: np.ndarray, bg: np.ndarray) -> Counts:
    return Counts(tp, fp, fg.sum(1, keepdims=True) - tp, bg.sum(1, keepdims=True) - fp)
