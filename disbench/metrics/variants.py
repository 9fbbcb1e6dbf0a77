"""Variants: how a measure of binary maps becomes one number for an image, and one for a data set."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from disbench.metrics.thresholds import Counts, Levels, counts_above_half, counts_at_adaptive, counts_at_all_thresholds


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The steps from histograms to a score.

    The steps run in this order: thresholds, pool, measure, average, reduce. The score of a data set is the mean of
    the result. The score of one image skips pool and average. disbench.metrics.image_scores takes the sums and means.

    Attributes:
        meaning: description for readers.
        thresholds: from the levels of n images to counts (n, k).
        pool: sum the counts (n, k) of the whole data set to (1, k), before the measure. False: keep the images apart.
        average: average the values (n, k) of the measure to (1, k). False: keep the images apart.
        reduce: along axis 1, from k values to one.
    """

    meaning: str
    thresholds: Callable[[Levels], Counts]
    pool: bool = False
    average: bool = False
    reduce: Callable[..., np.ndarray] = np.mean


_CURVE = "over 256 thresholds of the mean curve of the images"
_HALF = "where the map is above 1/2"
VARIANTS = {
    "max": Variant(
        meaning=f"maximum {_CURVE}", thresholds=counts_at_all_thresholds, average=True, reduce=np.max
    ),
    "min": Variant(
        meaning=f"minimum {_CURVE}", thresholds=counts_at_all_thresholds, average=True, reduce=np.min
    ),
    "mean": Variant(meaning="mean over 256 thresholds and images", thresholds=counts_at_all_thresholds),
    "adaptive": Variant(
        meaning="at twice the mean of each map, at most 1; mean over images", thresholds=counts_at_adaptive
    ),
    "binary": Variant(meaning=f"{_HALF}; mean over images", thresholds=counts_above_half),
    "whole": Variant(
        meaning=f"{_HALF}; counts summed over the images", thresholds=counts_above_half, pool=True
    ),
}
