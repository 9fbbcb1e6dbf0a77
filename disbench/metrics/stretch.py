"""The values that the levels 0 to 255 of one map stand for, in PySODMetrics' order of floating-point operations.

`lo` and `hi` are the levels that stand for 0 and 1. No level of the map lies outside of them.
"""

import numpy as np

LEVELS = np.arange(256)


def map_span(prediction: np.ndarray) -> tuple[int, int]:
    """Return the minimum and maximum of a map as (lo, hi). A constant map is not stretched: (0, 255)."""
    lo, hi = int(prediction.min()), int(prediction.max())
    return (lo, hi) if lo < hi else (0, 255)


def stretch_levels(lo: int, hi: int) -> np.ndarray:
    """Return the value of each level, float64 (256,), clipped to 0..1 outside of lo..hi."""
    unit = LEVELS / 255
    return ((unit - unit[lo]) / (unit[hi] - unit[lo])).clip(0, 1)


def truncate_levels(lo: int, hi: int) -> np.ndarray:
    """Return the level that each level becomes when the map is stretched to 0..255, uint8 (256,)."""
    return (stretch_levels(lo, hi) * 255).astype(np.uint8)


def half_level(lo: int, hi: int) -> int:
    """Return the highest level whose value is at most 1/2."""
    return int(np.count_nonzero(stretch_levels(lo, hi) <= 0.5)) - 1


def adaptive_level(prediction: np.ndarray, lo: int, hi: int) -> int:
    """Return the lowest level at or above the adaptive threshold, compared in integers.

    The adaptive threshold is min(twice the mean of the stretched map, 1).
    """
    total = int(prediction.sum(dtype=np.int64)) - prediction.size * lo
    return min(lo + -(-2 * total // prediction.size), hi)
