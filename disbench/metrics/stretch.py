"""What the levels 0 to 255 of one map stand for, in PySODMetrics' order of floating-point operations.

lo and hi are the levels that stand for 0 and 1: none of the map's levels lies outside.
"""

import numpy as np

LEVELS = np.arange(256)


def map_span(mask: np.ndarray) -> tuple[int, int]:
    """lo and hi of a map: its minimum and maximum; a constant map is not stretched."""
    lo, hi = int(mask.min()), int(mask.max())
    return (lo, hi) if lo < hi else (0, 255)


def stretch_levels(lo: int, hi: int) -> np.ndarray:
    """float64 (256,): the value of each level, in 0..1, which levels outside of lo..hi are moved into."""
    unit = LEVELS / 255
    return ((unit - unit[lo]) / (unit[hi] - unit[lo])).clip(0, 1)


def truncate_levels(lo: int, hi: int) -> np.ndarray:
    """uint8 (256,): the level that each level becomes when the map is stretched to 0..255."""
    return (stretch_levels(lo, hi) * 255).astype(np.uint8)


def half_level(lo: int, hi: int) -> int:
    """The highest level that is not above 1/2."""
    return np.count_nonzero(stretch_levels(lo, hi) <= 0.5) - 1


def adaptive_level(mask: np.ndarray, lo: int, hi: int) -> int:
    """The lowest level at or above min(twice the mean of the stretched map, 1), compared in integers."""
    total = int(mask.sum(dtype=np.int64)) - mask.size * lo
    return min(lo + -(-2 * total // mask.size), hi)
