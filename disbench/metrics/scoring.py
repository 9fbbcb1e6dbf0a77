"""Scores of a data set, of each image, and curves over thresholds, computed from measurements.

An image is reduced to its Measurement: two level histograms, and the numbers that need pixels, such as S and weighted
F. The histograms determine MAE, MSE and every measure of binary maps at every threshold, exactly, under every protocol.

Under the default protocol, pysod, everything that PySODMetrics 1.6.2 defines is equal to its result: measures of
binary maps bit for bit, the others up to rounding. The table lists the edge cases for an image of N pixels. "Usual"
means that the ordinary formula applies.

    case                    F        E                                   S             weighted F   MAE
    truth is empty          0        share below the threshold (1)       1 - mean      0            mean
    truth is full           usual    share at or above it (1)            mean          usual        1 - mean
    map is constant (2)     usual    usual                               usual (4)     usual        usual
    map is perfect (5)      1        N / (N - 1), which is above 1       1             1            0
    1 x n, or the centroid  usual    usual                               (3)           usual        usual
      is at the edge
    one pixel               usual    divided by 1 instead of N - 1       usual         usual        usual

    (1) The share of the map's pixels, multiplied by N / (N - 1).
    (2) A constant map is not stretched. Its values are level / 255.
    (3) Empty quadrants contribute nothing. PySODMetrics returns NaN.
    (4) A quadrant that is constant in map and truth has similarity 1, decided in integers. PySODMetrics decides by
        rounded sums. At some levels other than 0 and 255 it finds 0, and S is too low by half of the quadrant's share.
    (5) At every threshold above 0. At threshold 0 every pixel is positive.

Three more differences from PySODMetrics:

- The adaptive threshold, twice the mean, is compared in integers. The result differs only where a level of the map
  equals the threshold exactly.
- For an image of one pixel, PySODMetrics' E is 4.5e15 or 0.
- PySODMetrics' kappa is not Cohen's. It has (TN + FN)(TN + TP) in place of (TN + FN)(TN + FP) in the agreement by
  chance, and can leave -1..1. Here kappa is Cohen's.

The other protocols equal the scripts of their authors in the same way, with their own edge cases. Where those scripts
return NaN, (3), (4) and the row "one pixel" apply to S and E. Under isnet, MAE of a constant map uses level / 255. If
no image has foreground, F is 0 under mvanet and diffdis.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

import numpy as np

from disbench.errors import InputError, suggest_names, wrong_type
from disbench.metrics.binary import BINARY_MEASURES, f_measure
from disbench.metrics.catalogue import METRICS, VARIANTS, Metric, MetricKeys, resolve_metrics
from disbench.metrics.measurement import KERNEL_VERSION, Measurement
from disbench.metrics.pixel_metrics import column_of_metric, missing_column_error
from disbench.metrics.protocols import NO_EPS, EvalProtocol, get_protocol
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
from disbench.system.version import __version__


def score(measurements: Sequence[Measurement], protocol: str = "pysod", metrics: MetricKeys = None) -> dict[str, float]:
    """Score a data set under one protocol.

    The last bits depend on the order of the images. Callers sort them by name.

    Args:
        measurements: one per image, from measure().
        protocol: name of the protocol.
        metrics: keys in METRICS, as a sequence or as in "f_max,mae". "all": all that are not optional. Default:
            STANDARD.

    Returns:
        Scores by metric.

    Raises:
        InputError: for an empty data set, an unknown metric, and a metric that needs pixels but was not measured
            under this protocol.

    Examples:
        >>> import numpy as np
        >>> import disbench
        >>> truth = np.zeros((4, 4), np.uint8)
        >>> truth[1:3, 1:3] = 255
        >>> disbench.score([disbench.measure(truth, truth)], metrics="f_max,mae")
        {'f_max': 1.0, 'mae': 0.0}
    """
    images = ImageScores(measurements, protocol)
    return {key: float(images.dataset_terms(METRICS[key]).mean()) for key in resolve_metrics(metrics)}


def curves(
    measurements: Sequence[Measurement],
    protocol: str = "pysod",
    measures: Sequence[str] = ("precision", "recall", "f", "e"),
) -> dict[str, np.ndarray]:
    """Compute the mean curves of a data set over thresholds.

    Args:
        measurements: one per image, from measure().
        protocol: name of the protocol. Some have 255 thresholds, and some define F as F of the mean precision and
            recall.
        measures: keys in disbench.metrics.binary.BINARY_MEASURES.

    Returns:
        Curves by measure, float64 (256,) or (255,), at thresholds 0 to 255 of the stretched map.

    Raises:
        InputError: for an empty data set and an unknown measure.

    Examples:
        >>> import numpy as np
        >>> import disbench
        >>> truth = np.zeros((4, 4), np.uint8)
        >>> truth[1:3, 1:3] = 255
        >>> disbench.curves([disbench.measure(truth, truth)], measures=["recall"])["recall"].shape
        (256,)
    """
    images = ImageScores(measurements, protocol)
    if isinstance(measures, str):
        measures = [name.strip() for name in measures.split(",")]
    for name in measures:
        if not isinstance(name, str):
            raise wrong_type("measures", name, "keys as text, such as 'precision'")
        if name not in BINARY_MEASURES:
            raise InputError(f"unknown curve {name!r}; {suggest_names(name, BINARY_MEASURES)}")
    return {name: images.threshold_curves(name).mean(0) for name in measures}


def per_image(
    measurements: Sequence[Measurement], protocol: str = "pysod", metrics: MetricKeys = None
) -> dict[str, np.ndarray]:
    """Score each image as if it were a data set of one image.

    A maximum is therefore the maximum of the image's own curve.

    Args:
        measurements: one per image, from measure().
        protocol: name of the protocol.
        metrics: keys as in score().

    Returns:
        Scores by metric, float64 (n,), in the order of the measurements.

    Raises:
        InputError: as in score().

    Examples:
        >>> import numpy as np
        >>> import disbench
        >>> truth = np.zeros((4, 4), np.uint8)
        >>> truth[1:3, 1:3] = 255
        >>> disbench.per_image([disbench.measure(truth, truth), disbench.measure(255 - truth, truth)], metrics="mae")
        {'mae': array([0., 1.])}
    """
    images = ImageScores(measurements, protocol)
    return {key: images.per_image(METRICS[key]) for key in resolve_metrics(metrics)}


_LEVEL_MEASURES: dict[str, Callable[[Levels, EvalProtocol], np.ndarray]] = {
    "mae": lambda levels, protocol: score_mae(levels),
    "mse": lambda levels, protocol: score_mse(levels),
    "dice_soft": lambda levels, protocol: score_soft_dice(levels, protocol.smooth),
}
BETA2: dict[str, Callable[[EvalProtocol], float]] = {"f": lambda protocol: protocol.beta2, "f1": lambda protocol: 1}


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


class ImageScores:
    """The images of one call under one protocol.

    Intermediate results that several metrics share are computed once, and only if a metric needs them.
    """

    def __init__(self, measurements: Sequence[Measurement], protocol: str):
        measurements = _list_measurements(measurements)
        self.protocol = get_protocol(protocol)
        self.measurements = measurements
        histograms = [m.histograms(self.protocol.truth_above) for m in measurements]
        fg, bg = (np.stack(side) for side in zip(*histograms, strict=True))
        self.levels = levels_from_histograms(fg, bg, self.protocol)
        self.counts = cache(self._counts)
        self.values = cache(self._values)

    def _counts(self, thresholds: Callable[[Levels], Counts]) -> Counts:
        counts = thresholds(self.levels)
        if thresholds is counts_at_all_thresholds:
            return Counts(*(side[:, : self.protocol.thresholds] for side in counts))
        return counts

    def _values(
        self,
        name: str,
        thresholds: Callable[[Levels], Counts],
        pool: Callable[[Counts], Counts] | None = None,
    ) -> np.ndarray:
        """Compute a measure of binary maps, (n, k) or pooled (1, k)."""
        if thresholds is counts_above_half and name in self.protocol.at_half:
            thresholds = counts_from_half
        eps = self.protocol.curve_eps if thresholds is counts_at_all_thresholds else NO_EPS
        counts = self.counts(thresholds)
        return BINARY_MEASURES[name](pool(counts) if pool else counts, self.protocol, eps)

    def per_image(self, metric: Metric) -> np.ndarray:
        """Return the score (n,) of each image as a data set of one image."""
        if not metric.variant:
            return self.stored_values(metric).max(1)
        variant = VARIANTS[metric.variant]
        return variant.reduce(self.values(metric.measure, variant.thresholds), axis=1)

    def stored_values(self, metric: Metric) -> np.ndarray:
        """Return the values (n, k) of a metric without variants.

        With k = 1 the score of the data set is their mean. Otherwise they are curves, and it is the maximum of the
        mean curve.
        """
        column = column_of_metric(metric.key, self.protocol)
        if column is None:
            return _LEVEL_MEASURES[metric.key](self.levels, self.protocol)[:, None]
        if any(column not in m.values for m in self.measurements):
            raise missing_column_error(metric.key, self.protocol)
        return np.array([m.values[column] for m in self.measurements], np.float64).reshape(len(self.measurements), -1)

    def threshold_curves(self, name: str) -> np.ndarray:
        """Return the curves (m, thresholds) whose mean is the curve of the data set.

        m is the number of images, of images with foreground, or 1, as the protocol says.
        """
        if name in BETA2 and self.protocol.f_of_means:
            precision, recall = (self.values(key, counts_at_all_thresholds).mean(0) for key in ("precision", "recall"))
            return f_measure(precision, recall, BETA2[name](self.protocol), self.protocol.pooled_eps)[None]
        values = self.values(name, counts_at_all_thresholds)
        has_foreground = self.levels.fg.any(1)
        if name in BETA2 and self.protocol.skip_empty and has_foreground.any():
            return values[has_foreground]
        return values

    def dataset_terms(self, metric: Metric) -> np.ndarray:
        """Return the numbers whose mean is the score of the data set: one per image, or only one."""
        if not metric.variant:
            values = self.stored_values(metric)
            return values[:, 0] if values.shape[1] == 1 else values.mean(0, keepdims=True).max(1)
        variant = VARIANTS[metric.variant]
        if variant.thresholds is counts_at_all_thresholds:
            values = self.threshold_curves(metric.measure)
        else:
            values = self.values(metric.measure, variant.thresholds, variant.pool)
        if variant.average:
            values = variant.average(values)
        return variant.reduce(values, axis=1)


def make_signature(protocol: str, dataset: str, counts: Mapping[str, int], size: str = "native") -> str:
    """Make the line that says how scores were computed.

    Two scores are comparable only if their signatures are equal except for the version.

    Args:
        protocol: name of the protocol.
        dataset: token of the data set.
        counts: images per split, as in {"DIS-TE1": 500}.
        size: how maps were resized to their truth, and how many were.

    Returns:
        Fields separated by "|".
    """
    splits = ",".join(f"{split}:{count}" for split, count in counts.items())
    switches = get_protocol(protocol).switches
    return "|".join(
        (f"disbench:{__version__}", f"kernel:{KERNEL_VERSION}", dataset, splits, *switches, f"size:{size}")
    )
