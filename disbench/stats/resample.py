"""Scores of resampled data sets, from what is stored of each image: intervals and tests without an image.

Every score is a function of means over images: of numbers, of 256-long curves whose mean has the maximum, of counts. So
B resamples of n images are one product of a (B, n) matrix of weights with an (n, k) matrix of such columns.

Efron and Tibshirani, An introduction to the bootstrap, 1993 (BCa: chapter 14); Noreen, Computer-intensive methods for
testing hypotheses, 1989 (randomisation); Holm, A simple sequentially rejective multiple test procedure, 1979.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from disbench.metrics import binary
from disbench.metrics.catalogue import METRICS, VARIANTS, MetricKeys, resolve_metrics
from disbench.metrics.measurement import Measurement
from disbench.metrics.protocols import NO_EPS
from disbench.metrics.scoring import BETA2, ImageScores
from disbench.metrics.thresholds import Counts, counts_above_half, counts_at_all_thresholds, counts_from_half

RESAMPLES = 10_000
SEED = 0
LEVEL = 0.95
CHUNK = 500  # resamples at a time: weights of 2,000 images are then 8 MB
ROUNDING = 1e-6  # of single precision, relative to scores above 1: scores nearer than this are the same
MIN_IMAGES = 10  # images below which an interval would say more than they do


@dataclass(frozen=True)
class Columns:
    """What the scores of some images are made of.

    values: float64 (n, k); parts: metric -> slice of its columns; finish: metric -> function of means (b, its columns)
    to scores (b,)
    """

    values: np.ndarray
    parts: dict[str, slice]
    finish: dict[str, Callable[[np.ndarray], np.ndarray]]

    def scores(self, means: np.ndarray) -> np.ndarray:
        """Means of the columns (b, k) -> scores (b, metrics)."""
        return np.stack([self.finish[key](means[:, part]) for key, part in self.parts.items()], axis=1)


def build_columns(measurements: Sequence[Measurement], protocol: str = "pysod", metrics: MetricKeys = None) -> Columns:
    """The columns of some metrics; InputError as disbench.score raises it."""
    images = ImageScores(measurements, protocol)
    values, parts, finish, at = [], {}, {}, 0
    for key in resolve_metrics(metrics):
        block, function = _column(images, key)
        values.append(block)
        parts[key], finish[key] = slice(at, at := at + block.shape[1]), function
    return Columns(np.concatenate(values, axis=1), parts, finish)


def _column(images: ImageScores, key: str) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    metric, rules = METRICS[key], images.protocol
    variant = VARIANTS.get(metric.variant)
    if variant is None:
        return images.stored_values(metric), lambda means: means.max(1)
    if variant.thresholds is not counts_at_all_thresholds and variant.pool is not Counts.pooled:
        return images.per_image(metric)[:, None], lambda means: means[:, 0]
    if variant.pool is Counts.pooled:
        n = len(images.measurements)  # sums, as some protocols add a number to them
        inclusive = variant.thresholds is counts_above_half and metric.measure in rules.at_half
        counts = np.concatenate(images.counts(counts_from_half if inclusive else variant.thresholds), axis=1)
        return counts, lambda means: binary.BINARY_MEASURES[metric.measure](
            Counts(*(means[:, i : i + 1] * n for i in range(4))), rules, NO_EPS
        )[:, 0]
    if metric.measure in BETA2 and rules.f_of_means:
        sides = [images.values(name, counts_at_all_thresholds) for name in ("precision", "recall")]
        middle, beta2 = sides[0].shape[1], BETA2[metric.measure](rules)
        return np.concatenate(sides, axis=1), lambda means: variant.reduce(
            binary.f_measure(means[:, :middle], means[:, middle:], beta2, rules.pooled_eps), axis=1
        )
    curves = images.values(metric.measure, counts_at_all_thresholds)
    if metric.measure in BETA2 and rules.skip_empty:
        filled = images.levels.fg.any(1).astype(float)[:, None]
        return np.concatenate([curves * filled, filled], axis=1), lambda means: variant.reduce(
            np.divide(means[:, :-1], means[:, -1:], out=np.zeros_like(means[:, :-1]), where=means[:, -1:] > 0), axis=1
        )
    if variant.reduce is np.mean:
        return curves.mean(1)[:, None], lambda means: means[:, 0]
    return curves, lambda means: variant.reduce(means, axis=1)


def draw_weights(n: int, resamples: int = RESAMPLES, seed: int = SEED):
    """How often each of n images is drawn, float32 (CHUNK, n) at a time: multinomial counts, the same for a seed."""
    rng = np.random.default_rng([seed, n])
    for start in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - start)
        drawn = rng.integers(0, n, (size, n), dtype=np.int32) + np.arange(size, dtype=np.int32)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float32)


def bootstrap_scores(of: Sequence[Columns], resamples: int = RESAMPLES, seed: int = SEED) -> list[np.ndarray]:
    """Scores (resamples, metrics) of each of some methods on the same images, drawn alike for all: paired."""
    n = len(of[0].values)
    sides = [_single(one.values) for one in of]
    found = [[] for _ in of]
    for drawn in draw_weights(n, resamples, seed):
        for one, (values, centre), scores in zip(of, sides, found, strict=True):
            scores.append(one.scores((drawn @ values) / n + centre))
    return [np.concatenate(scores) for scores in found]


def _single(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns less their means in single precision, and the means: what is rounded is the deviation alone."""
    centre = values.mean(0)
    return (values - centre).astype(np.float32), centre


def jackknife_scores(of: Columns) -> np.ndarray:
    """Scores (n, metrics) without each image in turn."""
    n = len(of.values)
    return of.scores((of.values.sum(0) - of.values) / (n - 1))


def bca_interval(score: float, resampled: np.ndarray, left_out: np.ndarray) -> tuple[float, float]:
    """The 95 % BCa interval of a score from its bootstrap and jackknife values, both 1-D.

    It is that of percentiles, moved for the bias and the skew of the resampled scores; a maximum of a mean curve has
    both, as every resample finds the maximum of its own noise.
    """
    normal = NormalDist()
    same = np.abs(resampled - score) <= ROUNDING * max(1, abs(score))
    below = ((resampled < score) & ~same).mean() + same.mean() / 2
    if not 0 < below < 1:  # the score is an extreme of its resamples: as when all images are alike
        return tuple(np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist())
    bias = normal.inv_cdf(below)
    skewed = left_out.mean() - left_out
    spread = (skewed**2).sum() ** 1.5
    acceleration = (skewed**3).sum() / (6 * spread) if spread else 0.0
    ends = []
    for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2):
        z = bias + normal.inv_cdf(share)
        ends.append(normal.cdf(bias + z / (1 - acceleration * z)))
    return tuple(np.quantile(resampled, ends).tolist())


def bca_intervals(of: Columns, resamples: int = RESAMPLES, seed: int = SEED) -> dict[str, tuple[float, float, float]]:
    """metric -> (score, low, high)."""
    scores = of.scores(of.values.mean(0, keepdims=True))[0]
    (resampled,), left_out = bootstrap_scores([of], resamples, seed), jackknife_scores(of)
    return {
        key: (float(scores[k]), *bca_interval(scores[k], resampled[:, k], left_out[:, k])) for k, key in enumerate(of.parts)
    }


def randomise_pairs(first: Columns, second: Columns, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """p (metrics,) of the hypothesis that both methods are the same: how often exchanging their maps, image by image at
    random, makes them differ at least as much. The observed one counts among the exchanges, so p is never 0."""
    n = len(first.values)
    middle = (first.values.mean(0) + second.values.mean(0)) / 2
    halves = ((second.values - first.values) / 2).astype(np.float32)

    def apart(shift: np.ndarray) -> np.ndarray:
        return np.abs(second.scores(middle + shift) - first.scores(middle - shift))

    close = ROUNDING * np.maximum(1, np.abs(first.scores(middle[None])[0]))
    observed = apart((second.values - first.values).mean(0, keepdims=True) / 2)[0]
    rng = np.random.default_rng([seed, n, 1])
    beyond = np.zeros(len(observed))
    for start in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - start)
        signs = rng.integers(0, 2, (size, n), dtype=np.int8).astype(np.float32) * 2 - 1
        beyond += (apart(signs @ halves / n) >= observed - close).sum(0)
    return (beyond + 1) / (resamples + 1)


def adjust_holm(p: Sequence[float]) -> list[float]:
    """p adjusted for the number of tests, so that all hypotheses below a level may be rejected together."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = highest
    return adjusted
