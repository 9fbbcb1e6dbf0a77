"""The numbers of each image that scores of a data set are means of, a chunk of images at a time.

The curves of an image take 2 KB for each measure, so those of all images would not fit into memory. Means over chunks
have the rounding of a mean over all images at once, whatever the size of a chunk:

- Counts are integers below 2^53, and their sums are exact.
- One number per image is kept of every image. numpy.mean averages all of them together, by pairwise summation.
- Curves are added up one image after the other, in the order of the images, as numpy.mean(curves, axis=0) does.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from disbench.errors import InputError, wrong_type
from disbench.metrics.areas import AREAS, area_under_curve
from disbench.metrics.binary import BINARY_MEASURES
from disbench.metrics.catalogue import METRICS, VARIANTS, Metric
from disbench.metrics.measurement import Measurement
from disbench.metrics.optional_definitions import SIZE_WHOLE, TARGET_COUNTS
from disbench.metrics.pixel_metrics import column_of_metric, missing_column_error
from disbench.metrics.protocols import NO_EPS, PYSOD, EvalProtocol, get_protocol
from disbench.metrics.thresholds import (
    Counts,
    Levels,
    counts_above_half,
    counts_at_all_thresholds,
    counts_from_half,
    levels_from_histograms,
    score_mae,
    score_mse,
    score_soft_dice,
)

IMAGES_PER_CHUNK = 128  # their intermediate results fit into the caches of a core

Series = tuple[str, str]  # kind of numbers, and the measure or metric; see ImageScores.series

_LEVEL_MEASURES: dict[str, Callable[[Levels, EvalProtocol], np.ndarray]] = {
    "mae": lambda levels, protocol: score_mae(levels),
    "mse": lambda levels, protocol: score_mse(levels),
    "dice_soft": lambda levels, protocol: score_soft_dice(levels, protocol.smooth),
}
BETA2: dict[str, Callable[[EvalProtocol], float]] = {"f": lambda protocol: protocol.beta2, "f1": lambda protocol: 1}


class ImageScores:
    """A chunk of images under one protocol.

    Intermediate results that several metrics share are computed once, and only if a metric needs them.
    """

    def __init__(self, measurements: Sequence[Measurement], protocol: str):
        self.protocol = get_protocol(protocol)
        self.measurements = measurements
        histograms = [m.histograms(self.protocol.truth_above) for m in measurements]
        fg, bg = (np.stack(side) for side in zip(*histograms, strict=True))
        self.levels = levels_from_histograms(fg, bg, self.protocol)
        # Dictionaries, as functools.cache of a method would make a cycle, which holds the arrays until it is collected.
        self._counts: dict[Callable[[Levels], Counts], Counts] = {}
        self._values: dict[tuple[str, Callable[[Levels], Counts]], np.ndarray] = {}

    def counts(self, thresholds: Callable[[Levels], Counts]) -> Counts:
        """Return counts (n, k) at the thresholds of a rule."""
        if thresholds not in self._counts:
            counts = thresholds(self.levels)
            if thresholds is counts_at_all_thresholds:
                counts = Counts(*(side[:, : self.protocol.thresholds] for side in counts))
            self._counts[thresholds] = counts
        return self._counts[thresholds]

    def values(self, name: str, thresholds: Callable[[Levels], Counts]) -> np.ndarray:
        """Return a measure of binary maps, (n, k)."""
        key = name, thresholds
        if key not in self._values:
            eps = self.protocol.curve_eps if thresholds is counts_at_all_thresholds else NO_EPS
            counts = self.counts(self._rule(name, thresholds))
            self._values[key] = BINARY_MEASURES[name](counts, self.protocol, eps)
        return self._values[key]

    def _rule(self, name: str, thresholds: Callable[[Levels], Counts]) -> Callable[[Levels], Counts]:
        """Return the rule for the binary maps of a measure, some of which include the value 1/2."""
        includes_half = thresholds is counts_above_half and name in self.protocol.at_half
        return counts_from_half if includes_half else thresholds

    def per_image(self, metric: Metric) -> np.ndarray:
        """Return the score (n,) of each image as a data set of one image."""
        if metric.key in AREAS:
            return area_under_curve(*self.axes(metric))
        if not metric.variant:
            return self.stored_values(metric).max(1)
        if metric.measure in SIZE_WHOLE:
            return score_counts(metric, self.pooled_counts(metric), self.protocol)
        variant = VARIANTS[metric.variant]
        return variant.reduce(self.values(metric.measure, variant.thresholds), axis=1)

    def axes(self, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
        """Return the curves (n, k) each on the axes x and y of a metric in AREAS."""
        x, y = (self.values(name, counts_at_all_thresholds) for name in AREAS[metric.key])
        return x, y

    def pooled_counts(self, metric: Metric) -> np.ndarray:
        """Return the counts (n, 4) that a pooled metric sums over the images."""
        if metric.measure in SIZE_WHOLE:
            return np.concatenate([self._read_column(column, metric) for column in TARGET_COUNTS], axis=1)
        thresholds = self._rule(metric.measure, VARIANTS[metric.variant].thresholds)
        return np.concatenate(self.counts(thresholds), axis=1)

    def stored_values(self, metric: Metric) -> np.ndarray:
        """Return the values (n, k) of a metric without variants.

        With k = 1 the score of the data set is their mean. Otherwise they are curves, and it is the maximum of the
        mean curve.
        """
        if column_of_metric(metric.key, self.protocol) is None:
            return _LEVEL_MEASURES[metric.key](self.levels, self.protocol)[:, None]
        return self._read_column(metric.key, metric)

    def _read_column(self, name: str, metric: Metric) -> np.ndarray:
        """Return a column (n, k) that a metric needs, by its name under the protocol pysod."""
        column = f"{column_of_metric(name, self.protocol)}"
        if any(column not in m.values for m in self.measurements):
            raise missing_column_error(metric.key, self.protocol)
        return np.array([m.values[column] for m in self.measurements], np.float64).reshape(len(self.measurements), -1)

    def series(self, series: Series) -> np.ndarray:
        """Return the numbers (m,) or (m, k) of a series, whose means determine scores of the data set.

        m is the number of images, or of images with foreground if the protocol omits the others.

        Args:
            series: a kind and a name. "stored": values of a metric without variants. "counts": counts of a pooled
                metric. "curve": curves of a measure. "image": scores of the images by a metric.
        """
        kind, name = series
        if kind == "stored":
            return self.stored_values(METRICS[name])
        if kind == "counts":
            return self.pooled_counts(METRICS[name])
        if kind == "curve":
            measure, on_curve = name, True
            values = self.values(name, counts_at_all_thresholds)
        else:
            metric = METRICS[name]
            measure, on_curve = metric.measure, VARIANTS[metric.variant].thresholds is counts_at_all_thresholds
            values = self.per_image(metric)
        if on_curve and measure in BETA2 and self.protocol.skip_empty:
            return values[self.levels.fg.any(1)]
        return values


def score_counts(metric: Metric, counts: np.ndarray, rules: EvalProtocol) -> np.ndarray:
    """Compute a pooled metric (n,) from counts (n, 4), as they are in pooled_counts()."""
    sides = Counts(*(counts[:, i : i + 1] for i in range(4)))
    if metric.measure in SIZE_WHOLE:
        return BINARY_MEASURES[SIZE_WHOLE[metric.measure]](sides, PYSOD, NO_EPS)[:, 0]
    return BINARY_MEASURES[metric.measure](sides, rules, NO_EPS)[:, 0]


def split_images(measurements: Iterable[Measurement], protocol: str) -> Iterator[ImageScores]:
    """Yield the images of a data set under a protocol, a chunk at a time. InputError unless there are measurements."""
    listed = _list_measurements(measurements)
    for start in range(0, len(listed), IMAGES_PER_CHUNK):
        yield ImageScores(listed[start : start + IMAGES_PER_CHUNK], protocol)


def _list_measurements(measurements: Iterable[Measurement]) -> list[Measurement]:
    if not isinstance(measurements, Iterable) or isinstance(measurements, str | bytes | Mapping):
        raise wrong_type("measurements", measurements, "a list of what disbench.measure returns")
    listed = list(measurements)
    for i, measurement in enumerate(listed):
        if not isinstance(measurement, Measurement):
            raise wrong_type(f"measurements[{i}]", measurement, "what disbench.measure returns")
    if not listed:
        raise InputError("no measurements to score; give at least one")
    return listed


class RunningMean:
    """The mean over rows of numbers that come a chunk at a time; see above for its rounding."""

    def __init__(self) -> None:
        self._count = 0
        self._numbers: list[np.ndarray] = []
        self._curve: np.ndarray | None = None

    def add(self, rows: np.ndarray) -> None:
        """Add rows, (m,) or (m, k). All calls have the same k."""
        self._count += len(rows)
        if rows.ndim == 1 or rows.shape[1] == 1:
            self._numbers.append(rows.reshape(-1))
        else:
            # The sum so far is the first row, so that rows are added in the same order as without chunks.
            self._curve = (rows if self._curve is None else np.concatenate([self._curve[None], rows])).sum(0)

    @property
    def total(self) -> np.ndarray:
        """The sum (k,) over all rows."""
        return np.concatenate(self._numbers).sum(keepdims=True) if self._curve is None else self._curve

    def mean(self) -> np.ndarray:
        """Return the mean (k,) over all rows; 0 without rows."""
        return self.total / max(self._count, 1)
