"""Scores of resampled data sets, from stored statistics of each image and without decoding one.

Every score is a function of means over images: of numbers, of 256-long curves whose mean has the maximum, or of counts.
So B resamples of n images are one product of a (B, n) matrix of weights with an (n, k) matrix of such columns.

Efron and Tibshirani, An introduction to the bootstrap, 1993.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from disbench.metrics import binary
from disbench.metrics.areas import AREAS, area_under_curve
from disbench.metrics.catalogue import METRICS, VARIANTS, MetricKeys, resolve_metrics
from disbench.metrics.image_scores import BETA2, ImageScores, RunningMean, score_counts, split_images
from disbench.metrics.measurement import Measurement
from disbench.metrics.protocols import EvalProtocol, get_protocol
from disbench.metrics.thresholds import counts_at_all_thresholds

RESAMPLES = 10_000
MIN_RESAMPLES = 100  # with fewer, the ends of an interval are those of single resamples
SEED = 0
CHUNK = 500  # resamples at a time, so that the weights of 2,000 images take 4 MB
MAX_WEIGHTS = 1 << 23  # weights at a time, 32 MiB: with more than 16,777 images, fewer resamples at a time
DRAWN = 1 << 16  # images drawn at a time, whose counts fit into the cache of a core
MIN_CHUNK = 64  # resamples at a time, as a product with fewer takes longer
MIN_IMAGES = 10  # with fewer images, an interval would suggest more than they can show
# Relative to scores above 1. Resampled scores are computed in single precision; smaller differences are rounding.
ROUNDING = 1e-6
MAX_KEPT = 1 << 23  # numbers of images that are kept, 64 MiB; more are computed anew each time that they are read

Reducer = Callable[[np.ndarray], np.ndarray]  # means of a metric's columns (b, k) -> scores (b,)


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The numbers of some images that their scores are made of: a row (k,) for each of n images.

    Attributes:
        measurements: the stored statistics, one per image.
        protocol: the evaluation protocol.
        slices: metric -> its columns.
        reducers: metric -> function from the means of its columns to scores.
        kept: the columns of all images, float64 (n, k). None: they are too many, and are computed a block of images at
            a time.
    """

    measurements: Sequence[Measurement]
    protocol: str
    slices: dict[str, slice]
    reducers: dict[str, Reducer]
    kept: np.ndarray | None = None

    @property
    def n(self) -> int:
        """The number of images."""
        return len(self.measurements)

    def blocks(self, order: Sequence[int] | np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Yield the columns, float64 (m, k), of some images at a time, in the order of these indices or their own."""
        if self.kept is not None:
            yield self.kept if order is None else self.kept[order]
            return
        measurements = self.measurements if order is None else [self.measurements[i] for i in order]
        for images in split_images(measurements, self.protocol):
            yield np.concatenate([_make_columns(images, key) for key in self.slices], axis=1)

    @property
    def values(self) -> np.ndarray:
        """The columns of all images, float64 (n, k)."""
        return np.concatenate(list(self.blocks()))

    @cached_property
    def total(self) -> np.ndarray:
        """The sums (k,) over all images, added up as disbench.metrics.image_scores says."""
        sums = RunningMean()
        for block in self.blocks():
            sums.add(block)
        return sums.total

    @property
    def means(self) -> np.ndarray:
        """The means (k,) over all images."""
        return self.total / self.n

    def select(self, key: str) -> Columns:
        """Return the columns of one metric."""
        if self.kept is None:
            return build_columns(self.measurements, self.protocol, [key])
        kept = self.kept[:, self.slices[key]]
        return Columns(
            measurements=self.measurements,
            protocol=self.protocol,
            slices={key: slice(0, kept.shape[1])},
            reducers={key: self.reducers[key]},
            kept=kept,
        )

    def reduce_means(self, means: np.ndarray) -> np.ndarray:
        """Compute scores (b, metrics) from means of all columns (b, k)."""
        scores = [self.reducers[key](means[:, columns]) for key, columns in self.slices.items()]
        return np.stack(scores, axis=1)

    def scores(self) -> np.ndarray:
        """Compute the scores (metrics,) of all images."""
        return self.reduce_means(self.means[None])[0]


def build_columns(measurements: Sequence[Measurement], protocol: str = "pysod", metrics: MetricKeys = None) -> Columns:
    """Build the columns of some images.

    Args:
        measurements: the stored statistics, one per image.
        protocol: the evaluation protocol.
        metrics: metric keys. None: all that every run has.

    Raises:
        InputError: for no images, for an unknown name, and for a metric that was not measured.
    """
    first, rules = next(split_images(measurements[:1], protocol)), get_protocol(protocol)
    slices: dict[str, slice] = {}
    reducers: dict[str, Reducer] = {}
    width = 0
    for key in resolve_metrics(metrics):
        start, width = width, width + _make_columns(first, key).shape[1]
        slices[key], reducers[key] = slice(start, width), _make_reducer(key, rules, len(measurements))
    columns = Columns(measurements=measurements, protocol=protocol, slices=slices, reducers=reducers)
    return replace(columns, kept=columns.values) if columns.n * width <= MAX_KEPT else columns


def _make_columns(images: ImageScores, key: str) -> np.ndarray:
    """Make the columns (n, k) of one metric: the least that still determines the score."""
    metric, rules = METRICS[key], images.protocol
    variant = VARIANTS.get(metric.variant)
    if metric.key in AREAS:
        return np.concatenate(images.axes(metric), axis=1)
    if variant is None:
        return images.stored_values(metric)
    if variant.pool:
        return images.pooled_counts(metric)
    if variant.thresholds is not counts_at_all_thresholds:
        return images.per_image(metric)[:, None]
    if metric.measure in BETA2 and rules.f_of_means:
        return np.concatenate([images.values(name, variant.thresholds) for name in ("precision", "recall")], axis=1)
    curves = images.values(metric.measure, variant.thresholds)
    if metric.measure in BETA2 and rules.skip_empty:
        # Images with an empty truth count for nothing, so the number of the others is resampled, too.
        filled = images.levels.fg.any(1).astype(float)[:, None]
        return np.concatenate([curves * filled, filled], axis=1)
    return curves if variant.average else curves.mean(1)[:, None]


def _make_reducer(key: str, rules: EvalProtocol, n: int) -> Reducer:
    """Make the function from the means of a metric's columns over n images to scores."""
    metric = METRICS[key]
    variant = VARIANTS.get(metric.variant)
    if metric.key in AREAS:
        return lambda means: area_under_curve(*np.split(means, 2, axis=1))
    if variant is None:
        return lambda means: means.max(1)
    if variant.pool:  # of sums, as some protocols add a number to them
        return lambda means: score_counts(metric, means * n, rules)
    on_curve = variant.thresholds is counts_at_all_thresholds
    if on_curve and metric.measure in BETA2 and rules.f_of_means:
        middle, beta2 = rules.thresholds, BETA2[metric.measure](rules)
        return lambda means: variant.reduce(
            binary.f_measure(means[:, :middle], means[:, middle:], beta2, rules.pooled_eps), axis=1
        )
    if on_curve and metric.measure in BETA2 and rules.skip_empty:

        def reduce_filled(means: np.ndarray) -> np.ndarray:
            sums, share = means[:, :-1], means[:, -1:]
            return variant.reduce(np.divide(sums, share, out=np.zeros_like(sums), where=share > 0), axis=1)

        return reduce_filled
    if variant.average:
        return lambda means: variant.reduce(means, axis=1)
    return lambda means: means[:, 0]


def split_resamples(n: int, resamples: int) -> Iterator[int]:
    """Yield the numbers of resamples of n images to compute at a time, each but the last a multiple of 4.

    Random bytes are drawn four at a time, so the numbers do not change what is drawn.
    """
    most = min(CHUNK, max(MIN_CHUNK, MAX_WEIGHTS // n // 4 * 4))
    for start in range(0, resamples, most):
        yield min(most, resamples - start)


def draw_weights(n: int, resamples: int = RESAMPLES, seed: int = SEED) -> Iterator[np.ndarray]:
    """Draw how often each of n images is in each resample: multinomial counts, the same for the same seed and n.

    Yields:
        float32 arrays (at most CHUNK, n), `resamples` rows in total.
    """
    rng = np.random.default_rng([seed, n])
    rows = max(1, DRAWN // n)
    for size in split_resamples(n, resamples):
        weights = np.empty((size, n), np.float32)
        for start in range(0, size, rows):
            part = weights[start : start + rows]
            drawn = rng.integers(0, n, part.shape, dtype=np.int32)
            # Each row counts in its own range of n numbers, so one bincount counts all rows.
            drawn += np.arange(len(part), dtype=np.int32)[:, None] * n
            part[:] = np.bincount(drawn.ravel(), minlength=part.size).reshape(part.shape)
        yield weights


def bootstrap_scores(methods: Sequence[Columns], resamples: int = RESAMPLES, seed: int = SEED) -> list[np.ndarray]:
    """Compute the scores of resampled data sets.

    Args:
        methods: the columns of each method, on the same images. All are resampled alike, so differences are paired.
        resamples: number of resamples.
        seed: seed of the resamples.

    Returns:
        Scores (resamples, metrics) for each method.
    """
    n = methods[0].n
    # Only deviations from the mean are in single precision, so the rounding error is small next to the score.
    centres = [columns.means for columns in methods]
    deviations = [
        map_blocks(lambda block, centre=centre: block - centre, columns)
        for columns, centre in zip(methods, centres, strict=True)
    ]
    chunks: list[list[np.ndarray]] = [[] for _ in methods]
    for weights in draw_weights(n, resamples, seed):
        for i, columns in enumerate(methods):
            chunks[i].append(columns.reduce_means((weights @ deviations[i]) / n + centres[i]))
    return [np.concatenate(scores) for scores in chunks]


def jackknife_scores(columns: Columns) -> np.ndarray:
    """Compute the scores (n, metrics) without each of the n images in turn."""
    total = columns.total
    return np.concatenate(
        [columns.reduce_means((total - block) / (columns.n - 1)) for block in columns.blocks()]
    )


def map_blocks(function: Callable[..., np.ndarray], *methods: Columns) -> np.ndarray:
    """Apply a function to the columns of methods, block by block. Returns float32 (n, k)."""
    mapped = np.empty((methods[0].n, len(methods[0].means)), np.float32)
    start = 0
    for blocks in zip(*(columns.blocks() for columns in methods), strict=True):
        mapped[start : start + len(blocks[0])] = function(*blocks)
        start += len(blocks[0])
    return mapped
