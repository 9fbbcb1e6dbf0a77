"""Level histograms of n images to their errors, and to the counts of pixels from which the other measures follow.

`fg` and `bg` are int64 (n, 256): how many foreground and background pixels have each level of the raw map.
`lo` and `hi` are int64 (n,): the levels that stand for 0 and 1. Whatever can be decided or summed in whole numbers is,
so that rounding enters once, in the last division.
"""

from typing import NamedTuple

import numpy as np

LEVELS = np.arange(256)
EPS = np.spacing(1.0)


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


def span(counts: np.ndarray, stretch: bool) -> tuple[np.ndarray, np.ndarray]:
    """lo and hi of maps with these level counts (..., 256); a constant map is not stretched."""
    present = counts > 0
    lo = present.argmax(-1)
    hi = 255 - present[..., ::-1].argmax(-1)
    as_is = (lo == hi) | (not stretch)
    return np.where(as_is, 0, lo), np.where(as_is, 255, hi)


def mae(fg: np.ndarray, bg: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """Mean absolute error (n,) of the stretched maps."""
    return _error(fg, bg, lo, hi, 1)


def mse(fg: np.ndarray, bg: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """Mean squared error (n,) of the stretched maps."""
    return _error(fg, bg, lo, hi, 2)


def _error(fg: np.ndarray, bg: np.ndarray, lo: np.ndarray, hi: np.ndarray, power: int) -> np.ndarray:
    above, below = (LEVELS - lo[:, None]) ** power, (hi[:, None] - LEVELS) ** power
    return ((bg * above).sum(1) + (fg * below).sum(1)) / ((fg + bg).sum(1) * (hi - lo) ** power)


def every(fg: np.ndarray, bg: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> Counts:
    """Counts at thresholds 0 to 255 of the stretched map, truncated to levels; positive at or above."""
    level = np.clip(_stretched(lo, hi) * 255, 0, 255).astype(np.int64)
    bins = (np.arange(len(fg))[:, None] * 256 + level).ravel()
    tp, fp = (
        np.bincount(bins, side.ravel(), side.size).reshape(side.shape)[:, ::-1].cumsum(1)[:, ::-1] for side in (fg, bg)
    )
    return _counts(tp, fp, fg, bg)


def adaptive(fg: np.ndarray, bg: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> Counts:
    """Counts at each image's own threshold, min(twice the mean of the stretched map, 1), compared in integers.

    Achanta et al., Frequency-tuned salient region detection, CVPR 2009.
    """
    counts, above = fg + bg, LEVELS - lo[:, None]
    total = (counts * above).sum(1, keepdims=True)
    positive = (above * counts.sum(1, keepdims=True) >= 2 * total) | (above == (hi - lo)[:, None])
    return _where(positive, fg, bg)


def half(fg: np.ndarray, bg: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> Counts:
    """Counts where the stretched map is above 1/2."""
    return _where(_stretched(lo, hi) > 0.5, fg, bg)


def _stretched(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """(n, 256): the value of each level, 0 at lo and 1 at hi, in PySODMetrics' order of floating-point operations.

    For a quarter of all (lo, hi) the exact quotient would put some level into the next of 256 bins.
    """
    unit = LEVELS / 255
    start, end = unit[lo][:, None], unit[hi][:, None]
    return (unit - start) / (end - start)


def _where(positive: np.ndarray, fg: np.ndarray, bg: np.ndarray) -> Counts:
    return _counts(*((side * positive).sum(1, keepdims=True, dtype=np.float64) for side in (fg, bg)), fg, bg)


def _counts(tp: np.ndarray, fp: np.ndarray, fg: np.ndarray, bg: np.ndarray) -> Counts:
    return Counts(tp, fp, fg.sum(1, keepdims=True) - tp, bg.sum(1, keepdims=True) - fp)
