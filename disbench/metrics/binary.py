"""Measures of binary maps, all from four counts: disbench.metrics.curves.Counts of shape (n, k) -> float64 (n, k).

The order of operations is PySODMetrics', for equality to the last bit. What they mean is in the catalogue.
"""

from collections.abc import Callable

import numpy as np

from disbench.metrics.curves import EPS, Counts
from disbench.metrics.protocols import Protocol


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The quotient, 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator != 0)


def _f(c: Counts, beta2: float) -> np.ndarray:
    precision, recall = _ratio(c.tp, c.positives), _ratio(c.tp, c.truth)
    return _ratio((1 + beta2) * precision * recall, beta2 * precision + recall)


def _e(c: Counts) -> np.ndarray:
    """A binary map makes only four kinds of pixels, so the sum over pixels is a sum over four counts.

    One pixel is divided by 1 instead of by N - 1 = 0.
    """
    truth, pixels = c.truth[:, :1], c.pixels[:, :1]
    share, truth_share = c.positives / pixels, truth / pixels
    total = 0
    for count, p, t in (
        (c.tp, 1 - share, 1 - truth_share),
        (c.fp, 1 - share, 0 - truth_share),
        (c.fn, 0 - share, 1 - truth_share),
        (c.tn, 0 - share, 0 - truth_share),
    ):
        # Python's x ** 2 rounds like C's pow, which is not x * x in one of 1,200 cases; PySODMetrics meets both.
        t_squared = np.array([[x**2] for x in t[:, 0].tolist()])
        alignment = 2 * (p * t) / (p**2 + t_squared + EPS)
        total = total + (alignment + 1) ** 2 / 4 * count
    total = np.where(truth == 0, pixels - c.positives, np.where(truth == pixels, c.positives, total))
    return total / (np.maximum(pixels - 1, 1) + EPS)


def _kappa(c: Counts) -> np.ndarray:
    accuracy = _ratio(c.tp + c.tn, c.pixels)
    chance = _ratio(c.positives * c.truth + (c.tn + c.fn) * c.background, c.pixels**2)
    return _ratio(accuracy - chance, 1 - chance)


MEASURES: dict[str, Callable[[Counts, Protocol], np.ndarray]] = {
    "f": lambda c, rules: _f(c, rules.beta2),
    "f1": lambda c, rules: _f(c, 1),
    "e": lambda c, rules: _e(c),
    "iou": lambda c, rules: _ratio(c.tp, c.positives + c.fn),
    "dice": lambda c, rules: _ratio(2 * c.tp, c.positives + c.truth),
    "precision": lambda c, rules: _ratio(c.tp, c.positives),
    "recall": lambda c, rules: _ratio(c.tp, c.truth),
    "specificity": lambda c, rules: _ratio(c.tn, c.background),
    "fpr": lambda c, rules: _ratio(c.fp, c.background),
    "ber": lambda c, rules: 1 - 0.5 * (_ratio(c.tp, c.truth) + _ratio(c.tn, c.background)),
    "accuracy": lambda c, rules: _ratio(c.tp + c.tn, c.pixels),
    "kappa": lambda c, rules: _kappa(c),
}
