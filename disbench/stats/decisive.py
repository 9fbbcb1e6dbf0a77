"""The images that a difference between two methods is due to."""

from collections.abc import Iterator, Sequence

import numpy as np

from disbench.stats.resample import ROUNDING, Columns, jackknife_scores

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
    first, second = first.select(key), second.select(key)
    difference = float(second.scores()[0] - first.scores()[0])
    tolerance = ROUNDING * max(1.0, abs(float(first.scores()[0])))
    if abs(difference) <= tolerance or n == 1:
        return (), 0
    sign = np.sign(difference)
    without_each = (jackknife_scores(second) - jackknife_scores(first))[:, 0]
    contributions = (n * difference - (n - 1) * without_each) / n
    order = np.argsort(-contributions * sign, kind="stable")
    carried_by = n
    for removed, remaining in enumerate(_remove_in_turn(first, second, order), 1):
        if remaining * sign <= tolerance:
            carried_by = removed
            break
    # A contribution is 1 / n of what the image itself differs by.
    is_decisive = n * np.abs(contributions[order]) > tolerance
    decisive = [(names[i], float(contributions[i])) for i in order[is_decisive][:MAX_LISTED]]
    return tuple(decisive), carried_by


def _remove_in_turn(first: Columns, second: Columns, order: np.ndarray) -> Iterator[float]:
    """Yield the difference without the 1, 2 ... n - 1 first images of an order."""
    removed = [np.zeros((1, len(columns.total))) for columns in (first, second)]
    left = len(order)
    for blocks in zip(first.blocks(order[:-1]), second.blocks(order[:-1]), strict=True):
        sums = [np.concatenate(rows).cumsum(0) for rows in zip(removed, blocks, strict=True)]
        remaining = np.arange(left - 1, left - len(sums[0]), -1)[:, None]
        removed, left = [side[-1:] for side in sums], left - len(remaining)
        before, after = (
            columns.reduce_means((columns.total - side[1:]) / remaining)[:, 0]
            for columns, side in zip((first, second), sums, strict=True)
        )
        yield from (after - before).tolist()
