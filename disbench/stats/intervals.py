"""Confidence intervals of scores, by the BCa bootstrap.

Efron and Tibshirani, An introduction to the bootstrap, 1993, chapter 14.
"""

from statistics import NormalDist

import numpy as np

from disbench.stats.resample import RESAMPLES, ROUNDING, SEED, Columns, bootstrap_scores, jackknife_scores

LEVEL = 0.95


def bca_interval(score: float, resampled: np.ndarray, jackknifed: np.ndarray) -> tuple[float, float]:
    """Compute the 95 % BCa interval of a score.

    It is the percentile interval, shifted for the bias and the skew of the resampled scores. The maximum of a mean
    curve has both, as every resample finds the maximum of its own noise.

    Args:
        score: the score of all images.
        resampled: scores of bootstrap resamples, 1-D.
        jackknifed: scores without each image in turn, 1-D.

    Returns:
        The lower and the upper end.
    """
    normal = NormalDist()
    tails = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    same = np.abs(resampled - score) <= ROUNDING * max(1, abs(score))
    below = ((resampled < score) & ~same).mean() + same.mean() / 2
    if not 0 < below < 1:  # the score is an extreme of its resamples, as with images that are all alike
        low, high = np.quantile(resampled, tails).tolist()
        return low, high
    bias = normal.inv_cdf(below)
    deviations = jackknifed.mean() - jackknifed
    scale = (deviations**2).sum() ** 1.5
    acceleration = (deviations**3).sum() / (6 * scale) if scale else 0.0
    levels = []
    for tail in tails:
        z = bias + normal.inv_cdf(tail)
        levels.append(normal.cdf(bias + z / (1 - acceleration * z)))
    low, high = np.quantile(resampled, levels).tolist()
    return low, high


def bca_intervals(
    columns: Columns, resamples: int = RESAMPLES, seed: int = SEED
) -> dict[str, tuple[float, float, float]]:
    """Compute metric -> (score, low, high) for every metric of `columns`."""
    scores = columns.scores()
    (resampled,), jackknifed = bootstrap_scores([columns], resamples, seed), jackknife_scores(columns)
    return {
        key: (float(scores[k]), *bca_interval(scores[k], resampled[:, k], jackknifed[:, k]))
        for k, key in enumerate(columns.slices)
    }
