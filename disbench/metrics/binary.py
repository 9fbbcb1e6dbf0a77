"""Measures of binary maps, computed from four counts: Counts (n, k) to float64 (n, k).

The order of floating-point operations is PySODMetrics', so that scores are equal to the last bit. The catalogue has
the formulas and their sources. A protocol adds small numbers to divisors on curves only, not at a single threshold.
"""

from collections.abc import Callable

import numpy as np

from disbench.metrics.protocols import CurveEps, EvalProtocol
from disbench.metrics.thresholds import Counts


def f_measure(precision: np.ndarray, recall: np.ndarray, beta2: float, eps: float) -> np.ndarray:
    """Return F of precision and recall.

    Args:
        precision: in 0..1, any shape.
        recall: in 0..1, the same shape.
        beta2: weight of precision, squared beta.
        eps: number added to the divisor.

    Returns:
        F in 0..1, where 0/0 is 0.
    """
    return _ratio((1 + beta2) * precision * recall, beta2 * precision + recall + eps)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide; the quotient is 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator != 0)


def _precision(c: Counts, eps: CurveEps) -> np.ndarray:
    return _ratio(c.tp, c.positives + eps.precision)


def _recall(c: Counts, eps: CurveEps) -> np.ndarray:
    return _ratio(c.tp, c.truth + eps.recall)


def _f(c: Counts, beta2: float, eps: CurveEps) -> np.ndarray:
    return f_measure(_precision(c, eps), _recall(c, eps), beta2, eps.f)


def _e(c: Counts, eps: float) -> np.ndarray:
    """Return E, Fan et al., IJCAI 2018.

    A binary map has only four kinds of pixels, so the sum over pixels is a sum over four counts. For an image of one
    pixel the divisor is 1 instead of N - 1 = 0.
    """
    truth, pixels = c.truth[:, :1], c.pixels[:, :1]
    positive_share, truth_share = c.positives / pixels, truth / pixels
    total = np.zeros_like(positive_share)
    for p, sides in (
        (1 - positive_share, ((c.tp, 1 - truth_share), (c.fp, 0 - truth_share))),
        (0 - positive_share, ((c.fn, 1 - truth_share), (c.tn, 0 - truth_share))),
    ):
        p_squared = p**2
        for count, t in sides:
            # Python's x ** 2 rounds like C's pow, which is not x * x in one of 1,200 cases. PySODMetrics uses both.
            t_squared = np.array([[x**2] for x in t[:, 0].tolist()])
            # Products with powers of 2 are exact, so it does not matter which factor they are taken with.
            divisor = p_squared + t_squared
            divisor += eps
            term = p * (2 * t)  # then the alignment
            term /= divisor
            term += 1
            term *= term
            term *= count
            total += term
    total /= 4
    total = np.where(truth == 0, pixels - c.positives, np.where(truth == pixels, c.positives, total))
    return total / (np.maximum(pixels - 1, 1) + eps)


def _ber(c: Counts, eps: float) -> np.ndarray:
    return 1 - 0.5 * (_ratio(c.tp, c.truth + eps) + _ratio(c.tn, c.background + eps))


def _kappa(c: Counts) -> np.ndarray:
    accuracy = _ratio(c.tp + c.tn, c.pixels)
    chance = _ratio(c.positives * c.truth + (c.tn + c.fn) * c.background, c.pixels**2)
    return _ratio(accuracy - chance, 1 - chance)


BINARY_MEASURES: dict[str, Callable[[Counts, EvalProtocol, CurveEps], np.ndarray]] = {
    "f": lambda c, protocol, eps: _f(c, protocol.beta2, eps),
    "f1": lambda c, protocol, eps: _f(c, 1, eps),
    "e": lambda c, protocol, eps: _e(c, protocol.e_eps),
    "iou": lambda c, protocol, eps: _ratio(c.tp + protocol.smooth, c.positives + c.fn + protocol.smooth),
    "dice": lambda c, protocol, eps: _ratio(2 * c.tp, c.positives + c.truth),
    "precision": lambda c, protocol, eps: _precision(c, eps),
    "recall": lambda c, protocol, eps: _recall(c, eps),
    "specificity": lambda c, protocol, eps: _ratio(c.tn, c.background),
    "fpr": lambda c, protocol, eps: _ratio(c.fp, c.background),
    "ber": lambda c, protocol, eps: _ber(c, protocol.ber_eps),
    "accuracy": lambda c, protocol, eps: _ratio(c.tp + c.tn, c.pixels),
    "kappa": lambda c, protocol, eps: _kappa(c),
}
