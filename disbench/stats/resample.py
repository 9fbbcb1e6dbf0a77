"""Scores of resampled data sets, from stored statistics of each image and without decoding one.

Every score is a function of means over images: of numbers, of 256-long curves whose mean has the maximum, or of counts.
So B resamples of n images are one product of a (B, n) matrix of weights with an (n, k) matrix of such columns.

Efron and Tibshirani, An introduction to the bootstrap, 1993.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from disbench.metrics import binary
from disbench.metrics.catalogue import METRICS, VARIANTS, MetricKeys, resolve_metrics
from disbench.metrics.measurement import Measurement
from disbench.metrics.protocols import NO_EPS
from disbench.metrics.scoring import BETA2, ImageScores
from disbench.metrics.thresholds import Counts, counts_above_half, counts_at_all_thresholds, counts_from_half

RESAMPLES = 10_000
SEED = 0
CHUNK = 500  # resamples at a time, so that the weights of 2,000 images take 8 MB
MIN_IMAGES = 10  # with fewer images, an interval would suggest more than they can show
# Relative to scores above 1. Resampled scores are computed in single precision; smaller differences are rounding.
ROUNDING = 1e-6

Reducer = Callable[[np.ndarray], np.ndarray]  # means of a metric's columns (b, k) -> scores (b,)


@dataclass(frozen=True)
class Columns:
    """The numbers of some images that their scores are made of.

    Attributes:
        values: float64 (n, k), one row per image.
        slices: metric -> its columns in `values`.
        reducers: metric -> function from the means of its columns to scores.
    """

    values: np.ndarray
    slices: dict[str, slice]
    reducers: dict[str, Reducer]

    def reduce_means(self, means: np.ndarray) -> np.ndarray:
        """Compute scores (b, metrics) from means of all columns (b, k)."""
        scores = [self.reducers[key](means[:, columns]) for key, columns in self.slices.items()]
        return np.stack(scores, axis=1)

    def scores(self) -> np.ndarray:
        """Compute the scores (metrics,) of all images."""
        return self.reduce_means(self.values.mean(0, keepdims=True))[0]

    def reduce_metric(self, key: str, average: Reducer) -> np.ndarray:
        """Compute the scores (b,) of one metric, from the means (b, k) that `average` takes of its columns (n, k)."""
        return self.reducers[key](average(self.values[:, self.slices[key]]))


def build_columns(measurements: Sequence[Measurement], protocol: str = "pysod", metrics: MetricKeys = None) -> Columns:
    """Build the columns of some images.

    Args:
        measurements: the stored statistics, one per image.
        protocol: the evaluation protocol.
        metrics: metric keys. None: all that every run has.

    Raises:
        InputError: for an unknown name, and for a metric that was not measured.
    """
    images = ImageScores(measurements, protocol)
    blocks: list[np.ndarray] = []
    slices: dict[str, slice] = {}
    reducers: dict[str, Reducer] = {}
    start = 0
    for key in resolve_metrics(metrics):
        block, reducers[key] = _column(images, key)
        slices[key] = slice(start, start + block.shape[1])
        start += block.shape[1]
        blocks.append(block)
    return Columns(np.concatenate(blocks, axis=1), slices, reducers)


# The columns (n, k) of one metric, and its reducer. Each case keeps the least that still determines the score.
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
        precision, recall = (images.values(name, counts_at_all_thresholds) for name in ("precision", "recall"))
        middle, beta2 = precision.shape[1], BETA2[metric.measure](rules)

        def reduce_f_of_means(means: np.ndarray) -> np.ndarray:
            f = binary.f_measure(means[:, :middle], means[:, middle:], beta2, rules.pooled_eps)
            return variant.reduce(f, axis=1)

        return np.concatenate([precision, recall], axis=1), reduce_f_of_means
    curves = images.values(metric.measure, counts_at_all_thresholds)
    if metric.measure in BETA2 and rules.skip_empty:
        # Images with an empty truth count for nothing, so the number of the others is resampled, too.
        filled = images.levels.fg.any(1).astype(float)[:, None]

        def reduce_filled(means: np.ndarray) -> np.ndarray:
            sums, share = means[:, :-1], means[:, -1:]
            return variant.reduce(np.divide(sums, share, out=np.zeros_like(sums), where=share > 0), axis=1)

        return np.concatenate([curves * filled, filled], axis=1), reduce_filled
    if variant.reduce is np.mean:
        return curves.mean(1)[:, None], lambda means: means[:, 0]
    return curves, lambda means: variant.reduce(means, axis=1)


def draw_weights(n: int, resamples: int = RESAMPLES, seed: int = SEED) -> Iterator[np.ndarray]:
    """Draw how often each of n images is in each resample: multinomial counts, the same for the same seed and n.

    Yields:
        float32 arrays (at most CHUNK, n), `resamples` rows in total.
    """
    rng = np.random.default_rng([seed, n])
    for start in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - start)
        # Each row draws from its own range of n numbers, so one bincount counts all rows.
        drawn = rng.integers(0, n, (size, n), dtype=np.int32) + np.arange(size, dtype=np.int32)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float32)


def bootstrap_scores(methods: Sequence[Columns], resamples: int = RESAMPLES, seed: int = SEED) -> list[np.ndarray]:
    """Compute the scores of resampled data sets.

    Args:
        methods: the columns of each method, on the same images. All are resampled alike, so differences are paired.
        resamples: number of resamples.
        seed: seed of the resamples.

    Returns:
        Scores (resamples, metrics) for each method.
    """
    n = len(methods[0].values)
    # Only deviations from the mean are in single precision, so the rounding error is small next to the score.
    centres = [columns.values.mean(0) for columns in methods]
    deviations = [
        (columns.values - centre).astype(np.float32) for columns, centre in zip(methods, centres, strict=True)
    ]
    chunks: list[list[np.ndarray]] = [[] for _ in methods]
    for weights in draw_weights(n, resamples, seed):
        for i, columns in enumerate(methods):
            chunks[i].append(columns.reduce_means((weights @ deviations[i]) / n + centres[i]))
    return [np.concatenate(scores) for scores in chunks]


def jackknife_scores(columns: Columns) -> np.ndarray:
    """Compute the scores (n, metrics) without each of the n images in turn."""
    n = len(columns.values)
    return columns.reduce_means((columns.values.sum(0) - columns.values) / (n - 1))
