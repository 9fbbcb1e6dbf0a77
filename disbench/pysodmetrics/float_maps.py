"""S and weighted F of maps of floats, by the formulas of their papers; maps of levels have kernels.

`values` is the map, float64 (h, w) in 0..1. `inside` is the foreground of the truth, bool (h, w).
"""

import math

import numpy as np
from scipy.ndimage import correlate1d, distance_transform_edt

from disbench.metrics.kernels import threshold_truth
from disbench.metrics.protocols import EPS

GAUSSIAN = np.exp(-(np.arange(-3, 4) ** 2) / 50)  # 7 pixels of sigma 5
HALVING = 5  # pixels from the foreground at which the weight of an error has come halfway from 1 to 2


def s_measure(values: np.ndarray, inside: np.ndarray, alpha: float) -> float:
    """Compute alpha * object similarity + (1 - alpha) * region similarity.

    Quadrants that are constant in map and truth have similarity 1, and empty ones count nothing, as in
    disbench.metrics.structure.
    """
    share = np.count_nonzero(inside) / inside.size
    if share in (0, 1):
        return float(values.mean()) if share else 1 - float(values.mean())
    return max(0.0, alpha * object_similarity(values, inside) + (1 - alpha) * region_similarity(values, inside))


def object_similarity(values: np.ndarray, inside: np.ndarray) -> float:
    """Compute the similarity of foreground and background, for a truth that has both."""
    share = np.count_nonzero(inside) / inside.size
    return share * _object(values[inside]) + (1 - share) * _object(1 - values[~inside])


def region_similarity(values: np.ndarray, inside: np.ndarray) -> float:
    """Compute the similarity of the four quadrants around the foreground's centroid."""
    foreground = threshold_truth(inside.view(np.uint8), 0)
    row, column = (round(total / foreground.pixels) + 1 for total in (foreground.rows, foreground.columns))
    total = 0.0
    for part in (np.s_[:row, :column], np.s_[:row, column:], np.s_[row:, :column], np.s_[row:, column:]):
        if inside[part].size:
            total += inside[part].size / inside.size * _ssim(values[part], inside[part])
    return total


def _object(values: np.ndarray) -> float:
    """Return the similarity of values to all ones."""
    mean = values.mean()
    deviation = values.std(ddof=1) if values.size > 1 else 0
    return float(2 * mean / (mean**2 + 1 + deviation + EPS))


def _ssim(values: np.ndarray, inside: np.ndarray) -> float:
    """Return the structural similarity of one quadrant, without its constants."""
    map_is_constant, truth_is_constant = values.min() == values.max(), inside.min() == inside.max()
    if map_is_constant or truth_is_constant:
        is_empty = values.max() == 0 and not inside.any()
        return float(is_empty or (map_is_constant and truth_is_constant))
    x, y = values.mean(), inside.mean()
    of_map, of_truth = values - x, inside - y
    freedom = values.size - 1
    alpha = 4 * x * y * (of_map * of_truth).sum() / freedom
    beta = (x**2 + y**2) * ((of_map**2).sum() + (of_truth**2).sum()) / freedom
    return float(alpha / (beta + EPS))


def weighted_errors(values: np.ndarray, inside: np.ndarray) -> tuple[int, float, float]:
    """Return foreground pixels and both sums of errors, as disbench.metrics.weighted.weighted_errors does."""
    truth = int(np.count_nonzero(inside))
    if truth == 0:
        return 0, 0.0, 0.0
    errors = np.abs(values - inside)
    distance, nearest = distance_transform_edt(~inside, return_indices=True)
    blurred = errors[tuple(nearest)]  # on the background, the error of the nearest foreground pixel
    for axis in (0, 1):
        blurred = correlate1d(blurred, GAUSSIAN / GAUSSIAN.sum(), axis, mode="constant")
    missed = np.minimum(errors, blurred)[inside].sum()
    spilled = (errors * (2 - np.exp(math.log(0.5) / HALVING * distance)))[~inside].sum()
    return truth, float(missed), float(spilled)
