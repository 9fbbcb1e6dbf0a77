"""Measures of binary maps, all from four counts: disbench.metrics.curves.Counts of shape (n, k) -> float64 (n, k).

What a protocol adds to divisors on a curve, it does not add at a single threshold.

The order of operations is PySODMetrics', for equality to the last bit. What they mean is in the catalogue.
"""

from collections.abc import Callable

import numpy as np

from disbench.metrics.protocols import CurveEps, EvalProtocol
from disbench.metrics.thresholds import Counts


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The quotient, 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator != 0)


def f_measure(precision: np.ndarray, recall: np.ndarray, beta2: float, eps: float) -> np.ndarray:
    return _ratio((1 + beta2) * precision * recall, beta2 * precision + recall + eps)


def _precision(c: Counts, eps: CurveEps) -> np.ndarray:
    return _ratio(c.tp, c.positives + eps.precision)


def _recall(c: Counts, eps: CurveEps) -> np.ndarray:
    return _ratio(c.tp, c.truth + eps.recall)


def _f(c: Counts, beta2: float, eps: CurveEps) -> np.ndarray:
    return f_measure(_precision(c, eps), _recall(c, eps), beta2, eps.f)


def _e(c: Counts, eps: float) -> np.ndarray:
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
        alignment = 2 * (p * t) / (p**2 + t_squared + eps)
        total = total + (alignment + 1) ** 2 / 4 * count
    total = np.where(truth == 0, pixels - c.positives, np.where(truth == pixels, c.positives, total))
    return total / (np.maximum(pixels - 1, 1) + eps)


def _kappa(c: Counts) -> np.ndarray:
    accuracy = _ratio(c.tp + c.tn, c.pixels)
    chance = _ratio(c.positives * c.truth + (c.tn + c.fn) * c.background, c.pixels**2)
    return _ratio(accuracy - chance, 1 - chance)


MEASURES: dict[str, Callable[[Counts, EvalProtocol, CurveEps], np.ndarray]] = {
    "f": lambda c, rules, eps: _f(c, rules.beta2, eps),
    "f1": lambda c, rules, eps: _f(c, 1, eps),
    "e": lambda c, rules, eps: _e(c, rules.e_eps),
    "iou": lambda c, rules, eps: _ratio(c.tp + rules.smooth, c.positives + c.fn + rules.smooth),
    "dice": lambda c, rules, eps: _ratio(2 * c.tp, c.positives + c.truth),
    "precision": lambda c, rules, eps: _precision(c, eps),
    "recall": lambda c, rules, eps: _recall(c, eps),
    "specificity": lambda c, rules, eps: _ratio(c.tn, c.background),
    "fpr": lambda c, rules, eps: _ratio(c.fp, c.background),
    "ber": lambda c, rules, eps: (
        1 - 0.5 * (_ratio(c.tp, c.truth + rules.ber_eps) + _ratio(c.tn, c.background + rules.ber_eps))
    ),
    "accuracy": lambda c, rules, eps: _ratio(c.tp + c.tn, c.pixels),
    "kappa": lambda c, rules, eps: _kappa(c),
}
