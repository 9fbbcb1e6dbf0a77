"""The measures of dichotomous image segmentation: measure() per image, score() over a data set.

An image is reduced to its Measurement: two level histograms, which determine MAE, MSE and every measure of binary maps
at every threshold exactly under every protocol, and the numbers that need pixels, as S and weighted F. Of the default
protocol, pysod, what PySODMetrics 1.6.2 defines is equal to it, the measures of binary maps bit for bit, the rest up to
rounding. At the edges, of N pixels in all:

    input                   F          E                              S             weighted F   MAE
    truth empty             0          share below threshold (1)      1 - mean      0            mean
    truth full              as ever    share at or above it (1)       mean          as ever      1 - mean
    map constant (2)        as ever    as ever                        as ever (4)   as ever      as ever
    map perfect (5)         1          N / (N - 1), so above 1        1             1            0
    1 x n, or truth's       as ever    as ever                        (3)           as ever      as ever
      centroid at the edge
    one pixel               as ever    divided by 1, not by N - 1     as ever       as ever      as ever

    (1) of the map, times N / (N - 1)
    (2) is not stretched: level / 255 is taken as it is
    (3) some quadrants have no pixels and contribute nothing, where PySODMetrics answers NaN
    (4) a quadrant constant in map and truth has similarity 1, decided in integers. PySODMetrics decides by rounded
        sums, finds 0 at some levels other than 0 and 255, and is then off by half that quadrant's share
    (5) above threshold 0, where every pixel is positive

The adaptive threshold, twice the mean, is compared in integers too, which differs from PySODMetrics' rounded comparison
only where a level of the map equals it exactly. At one pixel PySODMetrics' E is 4.5e15 or 0. Its kappa is not Cohen's:
it has (TN + FN)(TN + TP) for (TN + FN)(TN + FP) in the agreement by chance, and leaves -1..1. Here it is Cohen's.

The other protocols equal the scripts of their authors likewise, each at its own edges; but where those answer NaN,
(3), (4) and one pixel hold for S and E here, and of isnet, MAE of a constant map is that of level / 255. If no image
has foreground, F of mvanet and diffdis is 0.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np

from disbench.errors import InputError, suggest_names
from disbench.metrics.binary import MEASURES, f_measure
from disbench.metrics.catalogue import METRICS, PAPER, STANDARD, VARIANTS, Metric, MetricKeys, as_is, resolve_metrics  # noqa: F401
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
    """Metrics of METRICS over a data set, by key, under one protocol: those of STANDARD, or the chosen ones.

    The last bits depend on the order of the images: callers sort them by name. InputError for an empty data set, an
    unknown key, and one that needs pixels and was not measured for this protocol.
    """
    images = ImageScores(measurements, protocol)
    return {key: float(images.overall(METRICS[key]).mean()) for key in resolve_metrics(metrics)}


def curves(
    measurements: Sequence[Measurement],
    protocol: str = "pysod",
    measures: Sequence[str] = ("precision", "recall", "f", "e"),
) -> dict[str, np.ndarray]:
    """Means over images, float64 (256,), by threshold 0..255 of the stretched map; measures: keys of MEASURES.

    Some protocols have 255 thresholds, and some take f of the mean precision and recall. InputError for an empty data
    set and an unknown measure.
    """
    images = ImageScores(measurements, protocol)
    for name in measures:
        if name not in MEASURES:
            raise InputError(f"unknown curve {name!r}; {suggest_names(name, MEASURES)}")
    return {name: images.rows(name).mean(0) for name in measures}


def per_image(
    measurements: Sequence[Measurement], protocol: str = "pysod", metrics: MetricKeys = None
) -> dict[str, np.ndarray]:
    """The score of each image by itself, float64 (n,): its own curve has the maximum, its own pixels are the whole."""
    images = ImageScores(measurements, protocol)
    return {key: images.each(METRICS[key]) for key in resolve_metrics(metrics)}


_OF_LEVELS: dict[str, Callable[[Levels, EvalProtocol], np.ndarray]] = {
    "mae": lambda of, rules: score_mae(of),
    "mse": lambda of, rules: score_mse(of),
    "dice_soft": lambda of, rules: score_soft_dice(of, rules.smooth),
}
BETA2: dict[str, Callable[[EvalProtocol], float]] = {"f": lambda rules: rules.beta2, "f1": lambda rules: 1}


class ImageScores:
    """The images of one call: what several metrics share is computed once, and only what one of them needs."""

    def __init__(self, measurements: Sequence[Measurement], protocol: str):
        if not measurements:
            raise InputError("there are no measurements to score")
        self.rules = rules = get_protocol(protocol)
        pairs = zip(*(m.histograms(rules.truth_above) for m in measurements), strict=True)
        self.measurements = measurements
        self.levels = levels_from_histograms(*map(np.stack, pairs), rules)
        self.counts = cache(self._counts)
        self.values = cache(self._values)

    def _counts(self, thresholds: Callable) -> Counts:
        found = thresholds(self.levels)
        if thresholds is counts_at_all_thresholds:
            return Counts(*(side[:, : self.rules.thresholds] for side in found))
        return found

    def _values(self, name: str, thresholds: Callable, pool: Callable = as_is) -> np.ndarray:
        if thresholds is counts_above_half and name in self.rules.at_half:
            thresholds = counts_from_half
        eps = self.rules.curve_eps if thresholds is counts_at_all_thresholds else NO_EPS
        return MEASURES[name](pool(self.counts(thresholds)), self.rules, eps)

    def each(self, metric: Metric) -> np.ndarray:
        """(n,): the score of each image by itself."""
        if metric.variant:
            variant = VARIANTS[metric.variant]
            return variant.reduce(self.values(metric.measure, variant.thresholds), axis=1)
        return self.whole(metric).max(1)

    def whole(self, metric: Metric) -> np.ndarray:
        """(n, k): of a measure without variants, the numbers of which the score is the mean, or curves, the maximum."""
        column = column_of_metric(metric.key, self.rules)
        if column is None:
            return _OF_LEVELS[metric.key](self.levels, self.rules)[:, None]
        if any(column not in m.values for m in self.measurements):
            raise missing_column_error(metric.key, self.rules)
        return np.array([m.values[column] for m in self.measurements], np.float64).reshape(len(self.measurements), -1)

    def rows(self, name: str) -> np.ndarray:
        """(m, thresholds): the curves of which a data set's is the mean."""
        values, rules = self.values(name, counts_at_all_thresholds), self.rules
        if name in BETA2 and rules.f_of_means:
            precision, recall = (self.values(key, counts_at_all_thresholds).mean(0) for key in ("precision", "recall"))
            return f_measure(precision, recall, BETA2[name](rules), rules.pooled_eps)[None]
        filled = self.levels.fg.any(1)
        if name in BETA2 and rules.skip_empty and filled.any():
            return values[filled]
        return values

    def overall(self, metric: Metric) -> np.ndarray:
        """What the score of the data set is the mean of: a number per image, or the only one."""
        if not metric.variant:
            values = self.whole(metric)
            return values[:, 0] if values.shape[1] == 1 else values.mean(0, keepdims=True).max(1)
        variant = VARIANTS[metric.variant]
        if variant.thresholds is counts_at_all_thresholds:
            values = self.rows(metric.measure)
        else:
            values = self.values(metric.measure, variant.thresholds, variant.pool)
        return variant.reduce(variant.average(values), axis=1)


def make_signature(protocol: str, dataset: str, counts: Mapping[str, int], size: str = "native") -> str:
    """One line that says how scores were made: two scores compare only where all but the version is equal.

    counts: images per split, as in {"DIS-TE1": 500}; size: how maps were brought to the truth's, and how many were.
    """
    return "|".join(
        (
            f"disbench:{__version__}",
            f"kernel:{KERNEL_VERSION}",
            dataset,
            ",".join(f"{split}:{count}" for split, count in counts.items()),
            *get_protocol(protocol).switches,
            f"size:{size}",
        )
    )
