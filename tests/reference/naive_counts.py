"""The measures of binary maps once more, in fractions of whole counts, and how a data set's scores come of them.

`mask` and `truth` are uint8 (h, w), `positive` is bool (h, w).
"""

from fractions import Fraction
from functools import cache

import naive
import numpy as np


def counts(positive, truth):
    foreground = truth > 128
    both = ((positive, foreground), (positive, ~foreground), (~positive, foreground), (~positive, ~foreground))
    return [int((found & there).sum()) for found, there in both]


@cache  # most thresholds part a map like the one before
def measures(tp, fp, fn, tn):
    """name -> value, of all but E."""
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


def every(mask, truth):
    """name -> values at thresholds 0..255 of the stretched map."""
    level = (naive.stretched(mask) * 255).astype(int)
    rows = [at(level >= t, truth) for t in range(256)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def adaptive(mask, truth):
    values = naive.fractions(mask)
    return at((values >= min(2 * values.mean(), 1)).astype(bool), truth)


def half(mask, truth):
    return at(naive.stretched(mask) > 0.5, truth)


def at(positive, truth):
    found = {name: float(value) for name, value in measures(*counts(positive, truth)).items()}
    return found | {"e": naive.e_measure(positive, truth)}


def score(pairs):
    """Key -> score over (mask, truth) pairs."""
    curves, own, fixed = ([find(*pair) for pair in pairs] for find in (every, adaptive, half))
    scores = {"mse": np.mean([((naive.stretched(mask) - (truth > 128)) ** 2).mean() for mask, truth in pairs])}
    for name in curves[0]:
        curve = np.mean([one[name] for one in curves], axis=0)
        best = {"min": curve.min()} if name in ("ber", "fpr") else {"max": curve.max()}
        means = {"mean": curve.mean(), "adaptive": np.mean([one[name] for one in own])}
        found = best | means | {"binary": np.mean([one[name] for one in fixed])}
        scores |= {f"{name}_{variant}": value for variant, value in found.items()}
    pooled = np.sum([counts(naive.stretched(mask) > 0.5, truth) for mask, truth in pairs], axis=0).tolist()
    return scores | {f"{name}_whole": float(value) for name, value in measures(*pooled).items()}
