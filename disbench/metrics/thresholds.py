"""Level histograms of n images to their errors, and to the counts of pixels from which the other measures follow.

Whatever can be decided or summed in whole numbers is, so that rounding enters once, in the last division.
"""

from typing import NamedTuple

import numpy as np

from disbench.metrics.protocols import EPS, EvalProtocol  # noqa: F401 (EPS: for the others)

LEVELS = np.arange(256)


class Levels(NamedTuple):
    """n images as their protocol sees them.

    fg, bg: int64 (n, 256), how many foreground and background pixels have each level of the map
    lo, hi: int64 (n,), the levels that stand for 0 and 1
    stretched: (n, 256), the value of each level, by the protocol's floating-point operations; NaN: in no threshold
    """

    fg: np.ndarray
    bg: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    stretched: np.ndarray


class Counts(NamedTuple):
    """True and false positives, false and true negatives of n images at k thresholds: float64 (n, k).

    Whole numbers below 2^53, so exact; so is the product of two counts of one image of up to 94 megapixels.
    """

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    tn: np.ndarray

    @property
    def positives(self) -> np.ndarray:
        return self.tp + self.fp

    @property
    def truth(self) -> np.ndarray:
        return self.tp + self.fn

    @property
    def background(self) -> np.ndarray:
        return self.fp + self.tn

    @property
    def pixels(self) -> np.ndarray:
        return self.truth + self.background

    def pooled(self) -> "Counts":
        """(1, k): over the pixels of all images."""
        return Counts(*(side.sum(0, keepdims=True) for side in self))


def levels_from_histograms(fg: np.ndarray, bg: np.ndarray, rules: EvalProtocol) -> Levels:
    """The raw histograms under a protocol."""
    fg, bg = fg.astype(np.int64), bg.astype(np.int64)
    lo, hi = level_span(fg + bg)
    if rules.binarise:
        fg, bg = (binarise_histogram(side, lo, hi) for side in (fg, bg))
        lo, hi = level_span(np.zeros_like(fg))
    stretched = _STRETCH[rules.arithmetic](lo, hi)
    if not rules.constant_counts:
        stretched = np.where(((fg + bg) > 0).sum(1, keepdims=True) == 1, np.nan, stretched)
    return Levels(fg, bg, lo, hi, stretched)


def level_span(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """lo and hi of maps with level counts (..., 256); one that is constant, or has no pixels, is not stretched."""
    present = counts > 0
    lo = present.argmax(-1)
    hi = 255 - present[..., ::-1].argmax(-1)
    as_is = lo >= hi
    return np.where(as_is, 0, lo), np.where(as_is, 255, hi)


def binarise_histogram(counts: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """Level counts (..., 256) of the binary map, 255 where the stretched one is above 1/2; lo and hi are (...)."""
    above = np.asarray(lo + hi)[..., None] < 2 * LEVELS
    two = np.zeros_like(counts)
    two[..., 255] = (counts * above).sum(-1)
    two[..., 0] = counts.sum(-1) - two[..., 255]
    return two


def score_soft_dice(of: Levels, smooth: float) -> np.ndarray:
    """Twice the sum of map times truth over the sum of both (n,), of the stretched maps; 0/0 is 0."""
    fg, bg, lo, hi, _ = of
    above, scale = LEVELS - lo[:, None], hi - lo
    hits, area = 2 * (fg * above).sum(1), ((fg + bg) * above).sum(1) + fg.sum(1) * scale
    return (hits / scale + smooth) / np.where(area == 0, smooth or 1, area / scale + smooth)


def score_mae(of: Levels) -> np.ndarray:
    """Mean absolute error (n,) of the stretched maps."""
    return _error(of, 1)


def score_mse(of: Levels) -> np.ndarray:
    """Mean squared error (n,) of the stretched maps."""
    return _error(of, 2)


def _error(of: Levels, power: int) -> np.ndarray:
    fg, bg, lo, hi, _ = of
    above, below = (LEVELS - lo[:, None]) ** power, (hi[:, None] - LEVELS) ** power
    return ((bg * above).sum(1) + (fg * below).sum(1)) / ((fg + bg).sum(1) * (hi - lo) ** power)


def counts_at_all_thresholds(of: Levels) -> Counts:
    """Counts at thresholds 0 to 255 of the stretched map, truncated to levels; positive at or above."""
    fg, bg, _, _, stretched = of
    nowhere = np.isnan(stretched)
    level = np.clip(np.where(nowhere, 0, stretched) * 255, 0, 255).astype(np.int64)
    bins = (np.arange(len(fg))[:, None] * 256 + level).ravel()
    tp, fp = (
        np.bincount(bins, side.ravel(), side.size).reshape(side.shape)[:, ::-1].cumsum(1)[:, ::-1]
        for side in (np.where(nowhere, 0, fg), np.where(nowhere, 0, bg))
    )
    return _counts(tp, fp, fg, bg)


def counts_at_adaptive(of: Levels) -> Counts:
    """Counts at each image's own threshold, min(twice the mean of the stretched map, 1), compared in integers.

    Achanta et al., Frequency-tuned salient region detection, CVPR 2009.
    """
    fg, bg, lo, hi, _ = of
    counts, above = fg + bg, LEVELS - lo[:, None]
    total = (counts * above).sum(1, keepdims=True)
    positive = (above * counts.sum(1, keepdims=True) >= 2 * total) | (above == (hi - lo)[:, None])
    return _where(positive, fg, bg)


def counts_above_half(of: Levels) -> Counts:
    """Counts where the stretched map is above 1/2."""
    return _where(of.stretched > 0.5, of.fg, of.bg)


def counts_from_half(of: Levels) -> Counts:
    """Counts where the stretched map is at or above 1/2."""
    return _where(of.stretched >= 0.5, of.fg, of.bg)


def _by_unit(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """(n, 256): the value of each level, 0 at lo and 1 at hi, in PySODMetrics' order of floating-point operations.

    For a quarter of all (lo, hi) the exact quotient would put some level into the next of 256 bins.
    """
    unit = LEVELS / 255
    start, end = unit[lo][:, None], unit[hi][:, None]
    return (unit - start) / (end - start)


def _by_level(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """The same in MVANet's order: integers first, but for a constant map."""
    return (LEVELS - lo[:, None]) / (hi - lo)[:, None]


def _by_float32(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """The same as PyTorch has it of a tensor level / 255."""
    unit = LEVELS.astype(np.float32) / np.float32(255)
    start, end = unit[lo][:, None], unit[hi][:, None]
    return (unit - start) / (end - start)


_STRETCH = {"unit": _by_unit, "level": _by_level, "float32": _by_float32}


def _where(positive: np.ndarray, fg: np.ndarray, bg: np.ndarray) -> Counts:
    return _counts(*((side * positive).sum(1, keepdims=True, dtype=np.float64) for side in (fg, bg)), fg, bg)


def _counts(tp: np.ndarray, fp: np.ndarray, fg: np.ndarray, bg: np.ndarray) -> Counts:
    return Counts(tp, fp, fg.sum(1, keepdims=True) - tp, bg.sum(1, keepdims=True) - fp)
