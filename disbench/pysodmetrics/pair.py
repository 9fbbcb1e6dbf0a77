"""A map and its truth as step() receives them, reduced to what disbench's kernels take.

The kernels take levels. A map of uint8, or of floats that are levels divided by 255, is levels. Other maps of floats
also keep their values: counts of pixels follow from 256 levels and two comparisons, and the other measures have plain
formulas in disbench.pysodmetrics.float_maps.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from disbench.errors import InputError
from disbench.metrics.kernels import joint_histogram
from disbench.metrics.stretch import LEVELS, map_span
from disbench.metrics.thresholds import (
    Counts,
    Levels,
    counts_above_half,
    counts_at_adaptive,
    counts_at_all_thresholds,
)
from disbench.pysodmetrics.utils import check_pair, get_adaptive_threshold, prepare_data

THRESHOLDS = {"dynamic": counts_at_all_thresholds, "adaptive": counts_at_adaptive, "binary": counts_above_half}
Statistics = dict[str, np.ndarray | int]  # "tp", "fp", "tn", "fn", as handlers take them


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A map and its truth.

    Attributes:
        levels: the map, uint8 (h, w). If it has `values`, these times 255 without their fractions.
        foreground: the foreground of the truth, uint8 (h, w), 0 or 255.
        lo: the level that stands for 0.
        hi: the level that stands for 1.
        values: a map of floats in 0..1, (h, w). None: the map has levels.
    """

    levels: np.ndarray
    foreground: np.ndarray
    lo: int = 0
    hi: int = 255
    values: np.ndarray | None = None

    @cached_property
    def unit(self) -> np.ndarray:
        """The value of each level, float64 (256,)."""
        unit = LEVELS / 255
        return (unit - unit[self.lo]) / (unit[self.hi] - unit[self.lo]) if (self.lo, self.hi) != (0, 255) else unit

    @cached_property
    def inside(self) -> np.ndarray:
        """The foreground of the truth, bool (h, w)."""
        return self.foreground > 0

    @cached_property
    def statistics(self) -> Levels:
        """The level histograms of the pair."""
        bg, fg = joint_histogram(self.levels, self.foreground, 0, 0).sum(0)
        return Levels(fg[None], bg[None], np.array([self.lo]), np.array([self.hi]), self.unit[None])

    def as_values(self) -> np.ndarray:
        """Return the map as values in 0..1, float64 (h, w)."""
        return self.unit[self.levels] if self.values is None else self.values.astype(np.float64)

    def counts(self, kind: str) -> Counts:
        """Count the pixels of binary maps, (1, k): "dynamic" at thresholds 0 to 255, "adaptive" or "binary"."""
        if self.values is None or kind == "dynamic":
            return THRESHOLDS[kind](self.statistics)
        return count_binary(binarise_floats(self.values, kind), self.inside)


def binarise_floats(values: np.ndarray, kind: str) -> np.ndarray:
    """Return where a map of floats is positive, bool: from its "adaptive" threshold up, or above 1/2 ("binary")."""
    return np.asarray(values >= get_adaptive_threshold(values) if kind == "adaptive" else values > 0.5)


def count_binary(positive: np.ndarray, inside: np.ndarray) -> Counts:
    """Count the pixels of one binary map, (1, 1)."""
    tp = np.count_nonzero(positive & inside)
    fp, fn = np.count_nonzero(positive) - tp, np.count_nonzero(inside) - tp
    counts = (tp, fp, fn, inside.size - tp - fp - fn)
    return Counts(*(np.full((1, 1), count, np.float64) for count in counts))


def list_statistics(counts: Counts) -> Statistics:
    """Return the counts of one image as handlers take them: curves from threshold 255 down, single counts as int."""
    arrays = {"tp": counts.tp, "fp": counts.fp, "tn": counts.tn, "fn": counts.fn}
    if counts.tp.shape[1] == 1:
        return {name: int(array[0, 0]) for name, array in arrays.items()}
    return {name: array[0, ::-1].astype(np.int64) for name, array in arrays.items()}


def read_pair(pred: np.ndarray, gt: np.ndarray, normalize: bool = True, *, any_shape: bool = False) -> Pair:
    """Check and read the arguments of step().

    Args:
        pred: the map.
        gt: the truth.
        normalize: stretch the map, and take the truth above 128.
        any_shape: the measure only counts pixels, so arrays need not be (h, w).

    Returns:
        The pair.

    Raises:
        InputError: for arrays that PySODMetrics refuses, and some that it fails on; see docs/pysodmetrics.md.
    """
    check_pair(pred, gt, normalize)
    if any_shape:
        pred, gt = pred.reshape(1, -1), gt.reshape(1, -1)
    elif pred.ndim == 3 and pred.shape[2] == 1:
        pred, gt = pred[..., 0], gt[..., 0]
    elif pred.ndim != 2:
        raise InputError(f"pred and gt are {pred.shape}; give one channel, (h, w)")
    inside = np.greater(gt, 128, order="C") if normalize else np.ascontiguousarray(gt)
    if normalize and gt.max() == 1:
        warnings.warn("gt: its levels are 0 and 1, so no pixel is foreground; multiply it by 255", stacklevel=3)
    foreground = inside.view(np.uint8) * np.uint8(255)
    levels = _as_levels(pred, 1 if normalize else 255)
    if levels is not None:
        lo, hi = map_span(levels) if normalize else (0, 255)
        return Pair(levels=levels, foreground=foreground, lo=lo, hi=hi)
    values = prepare_data(pred, gt)[0] if normalize else pred
    if values.min() < 0 or values.max() > 1:
        raise InputError(f"pred: it is {pred.flat[0]} everywhere; give levels in 0..255")
    return Pair(levels=(values * 255).astype(np.uint8), foreground=foreground, values=values)


def _as_levels(pred: np.ndarray, scale: int) -> np.ndarray | None:
    """Return the map times `scale` as uint8, or None if it then has other values than 0, 1... 255.

    Maps of float16 and float32 are not converted, because PySODMetrics' thresholds round differently for them.
    """
    if pred.dtype == np.uint8 or pred.dtype == bool:
        return np.require(pred, np.uint8, ["C", "W"])
    if pred.dtype.kind == "f" and pred.dtype != np.float64:
        return None
    for part in (pred.flat[:4096], pred):  # most maps of other values are recognised by their first pixels
        if part.min() < 0 or part.max() > 255:
            return None
        levels = np.rint(part * scale).astype(np.uint8, order="C")
        if not np.array_equal(levels / scale, part):
            return None
    return levels
