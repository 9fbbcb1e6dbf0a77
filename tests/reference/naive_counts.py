"""Slow, naive measures of binary maps, in fractions of integer counts, and scores of data sets.

`mask` and `truth` are uint8 (h, w), `positive` is bool (h, w).
"""

from fractions import Fraction
from functools import cache
from itertools import pairwise

import naive
import numpy as np


def counts(positive, truth):
    foreground = truth > 128
    both = ((positive, foreground), (positive, ~foreground), (~positive, foreground), (~positive, ~foreground))
    return [int((side & other).sum()) for side, other in both]


@cache  # most thresholds split a map as the previous one does
def measures(tp, fp, fn, tn):
    """Return all measures but E by name."""
    n = tp + fp + fn + tn
    precision, recall, specificity = over(tp, tp + fp), over(tp, tp + fn), over(tn, tn + fp)
    # Cohen: what two raters agree on by chance, given how often each says yes and no.
    chance = over(tp + fp, n) * over(tp + fn, n) + over(tn + fn, n) * over(tn + fp, n)
    beta2 = Fraction(3, 10)
    return {
        "f": over((1 + beta2) * precision * recall, beta2 * precision + recall),
        "f1": over(2 * precision * recall, precision + recall),
        "iou": over(tp, tp + fp + fn),
        "dice": over(2 * tp, 2 * tp + fp + fn),
        "precision": precision,
        "recall": recall,
        "specificity": specificity,
        "fpr": over(fp, tn + fp),
        "ber": 1 - (recall + specificity) / 2,
        "accuracy": over(tp + tn, n),
        "kappa": over(over(tp + tn, n) - chance, 1 - chance),
    }


def over(numerator, denominator):
    return Fraction(numerator) / denominator if denominator else Fraction(0)


def at_all_thresholds(mask, truth):
    """Return values by name at thresholds 0..255 of the stretched map."""
    level = (naive.stretched(mask) * 255).astype(int)
    rows = [score_binary(level >= t, truth) for t in range(256)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def at_adaptive(mask, truth):
    values = naive.fractions(mask)
    return score_binary((values >= min(2 * values.mean(), 1)).astype(bool), truth)


def at_half(mask, truth):
    return score_binary(naive.stretched(mask) > 0.5, truth)


def score_binary(positive, truth):
    values = {name: float(value) for name, value in measures(*counts(positive, truth)).items()}
    return values | {"e": naive.e_measure(positive, truth)}


def score(pairs):
    """Return scores by key over (mask, truth) pairs."""
    curves = [at_all_thresholds(*pair) for pair in pairs]
    at_own_thresholds = [at_adaptive(*pair) for pair in pairs]
    above_half = [at_half(*pair) for pair in pairs]
    scores = {"mse": np.mean([((naive.stretched(mask) - (truth > 128)) ** 2).mean() for mask, truth in pairs])}
    for name in curves[0]:
        curve = np.mean([image[name] for image in curves], axis=0)
        best = {"max": curve.max()} | ({"min": curve.min()} if name in ("ber", "fpr") else {})
        means = {"mean": curve.mean(), "adaptive": np.mean([image[name] for image in at_own_thresholds])}
        variants = best | means | {"binary": np.mean([image[name] for image in above_half])}
        scores |= {f"{name}_{variant}": value for variant, value in variants.items()}
    precision, recall, fpr = (np.mean([c[name] for c in curves], axis=0) for name in ("precision", "recall", "fpr"))
    scores |= {"auc_pr": area(recall, precision), "auc_roc": area(fpr, recall)}
    pooled = np.sum([counts(naive.stretched(mask) > 0.5, truth) for mask, truth in pairs], axis=0).tolist()
    return scores | {f"{name}_whole": float(value) for name, value in measures(*pooled).items()}


def area(x, y):
    """Add up the trapezoids between the points of thresholds 255 to 0."""
    points = list(zip(x.tolist(), y.tolist(), strict=True))[::-1]
    return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))
