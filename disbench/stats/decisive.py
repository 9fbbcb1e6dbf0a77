"""The images that a difference between two methods is due to."""

from collections.abc import Sequence

import numpy as np

from disbench.stats.resample import ROUNDING, Columns, Reducer

MAX_LISTED = 5  # images per difference

Decisive = tuple[tuple[str, float], ...]  # image, its contribution to the difference


def find_decisive(first: Columns, second: Columns, key: str, names: Sequence[str]) -> tuple[Decisive, int]:
    """Find the images that the difference of second from first is due to.

    The contribution of an image is how much smaller the difference is without it. Contributions add up to the
    difference if the score is a mean, and nearly so if it is the maximum of a mean curve. Numbers within rounding of
    zero count as zero, as in the tests of significance.

    Args:
        first: the columns of the method that differences are from.
        second: the columns of the other method, on the same images.
        key: the metric.
        names: names of the images.

    Returns:
        (name, contribution) of the most influential images, and how many of them must be removed before the difference
        disappears or changes its sign.
    """
    n = len(names)

    def subtract(average: Reducer) -> np.ndarray:
        return second.reduce_metric(key, average) - first.reduce_metric(key, average)

    def without_each(values: np.ndarray) -> np.ndarray:
        return (values.sum(0) - values) / (n - 1)

    def without_first(values: np.ndarray) -> np.ndarray:
        """Compute the means without the 1, 2 ... n - 1 most influential images."""
        remaining = np.arange(n - 1, 0, -1)[:, None]
        return (values.sum(0) - values[order[:-1]].cumsum(0)) / remaining

    difference = subtract(_average)[0]
    tolerance = ROUNDING * max(1.0, abs(float(first.reduce_metric(key, _average)[0])))
    if abs(difference) <= tolerance or n == 1:
        return (), 0
    sign = np.sign(difference)
    contributions = (n * difference - (n - 1) * subtract(without_each)) / n
    order = np.argsort(-contributions * sign, kind="stable")
    gone = subtract(without_first) * sign <= tolerance
    carried_by = int(gone.argmax()) + 1 if gone.any() else n
    # A contribution is 1 / n of what the image itself differs by.
    decisive = [(names[i], float(contributions[i])) for i in order if n * abs(contributions[i]) > tolerance]
    return tuple(decisive[:MAX_LISTED]), carried_by


def _average(values: np.ndarray) -> np.ndarray:
    return values.mean(0, keepdims=True)
