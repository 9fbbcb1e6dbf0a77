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

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from disbench.errors import InputError, suggest_names, wrong_type
from disbench.metrics.areas import AREAS, area_under_curve
from disbench.metrics.binary import BINARY_MEASURES, f_measure
from disbench.metrics.catalogue import METRICS, VARIANTS, Metric, MetricKeys, resolve_metrics
from disbench.metrics.image_scores import BETA2, RunningMean, Series, score_counts, split_images
from disbench.metrics.measurement import KERNEL_VERSION, Measurement
from disbench.metrics.protocols import EvalProtocol, get_protocol
from disbench.metrics.thresholds import counts_at_all_thresholds
from disbench.metrics.variants import Variant
from disbench.system.version import __version__


def score(measurements: Sequence[Measurement], protocol: str = "pysod", metrics: MetricKeys = None) -> dict[str, float]:
    """Score a data set under one protocol.

    The last bits depend on the order of the images. Callers sort them by name. They do not depend on how many images
    are scored at a time: see disbench.metrics.image_scores.

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
    keys, rules = resolve_metrics(metrics), get_protocol(protocol)
    means = _average_series(
        measurements, protocol, (entry for key in keys for entry in _list_series(METRICS[key], rules))
    )
    return {key: _finish_score(METRICS[key], rules, means) for key in keys}


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
    if isinstance(measures, str):
        measures = [name.strip() for name in measures.split(",")]
    for name in measures:
        if not isinstance(name, str):
            raise wrong_type("measures", name, "keys as text, such as 'precision'")
        if name not in BINARY_MEASURES:
            raise InputError(f"unknown curve {name!r}; {suggest_names(name, BINARY_MEASURES)}")
    rules = get_protocol(protocol)
    means = _average_series(measurements, protocol, (entry for name in measures for entry in _list_curves(name, rules)))
    return {name: _finish_curve(name, rules, means) for name in measures}


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
    keys = resolve_metrics(metrics)
    parts = [[images.per_image(METRICS[key]) for key in keys] for images in split_images(measurements, protocol)]
    return {key: np.concatenate([part[k] for part in parts]) for k, key in enumerate(keys)}


def _finish_score(metric: Metric, rules: EvalProtocol, means: Mapping[Series, RunningMean]) -> float:
    """Compute the score of a data set from the means over its images."""
    if metric.key in AREAS:
        x, y = (means["curve", name].mean()[None] for name in AREAS[metric.key])
        return float(area_under_curve(x, y)[0])
    if not metric.variant:
        return float(means["stored", metric.key].mean().max())
    variant = VARIANTS[metric.variant]
    if variant.pool:
        return float(score_counts(metric, means["counts", metric.key].total[None], rules)[0])
    if variant.average or _is_f_of_means(metric.measure, variant, rules):
        values = _finish_curve(metric.measure, rules, means)[None]
        return float(variant.reduce(values, axis=1)[0])
    return float(means["image", metric.key].mean()[0])


def _finish_curve(measure: str, rules: EvalProtocol, means: Mapping[Series, RunningMean]) -> np.ndarray:
    """Compute the curve of a data set from the means over its images."""
    if measure in BETA2 and rules.f_of_means:
        precision, recall = (means["curve", name].mean() for name in ("precision", "recall"))
        return f_measure(precision, recall, BETA2[measure](rules), rules.pooled_eps)
    return means["curve", measure].mean()


def _list_series(metric: Metric, rules: EvalProtocol) -> list[Series]:
    """List the series of numbers whose means determine the score of a data set."""
    if metric.key in AREAS:
        return [("curve", name) for name in AREAS[metric.key]]
    if not metric.variant:
        return [("stored", metric.key)]
    variant = VARIANTS[metric.variant]
    if variant.pool:
        return [("counts", metric.key)]
    if variant.average or _is_f_of_means(metric.measure, variant, rules):
        return _list_curves(metric.measure, rules)
    return [("image", metric.key)]


def _list_curves(measure: str, rules: EvalProtocol) -> list[Series]:
    if measure in BETA2 and rules.f_of_means:
        return [("curve", "precision"), ("curve", "recall")]
    return [("curve", measure)]


def _is_f_of_means(measure: str, variant: Variant, rules: EvalProtocol) -> bool:
    return measure in BETA2 and rules.f_of_means and variant.thresholds is counts_at_all_thresholds


def _average_series(
    measurements: Sequence[Measurement], protocol: str, series: Iterable[Series]
) -> dict[Series, RunningMean]:
    means = {entry: RunningMean() for entry in series}
    for images in split_images(measurements, protocol):
        for entry, mean in means.items():
            mean.add(images.series(entry))
    return means


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
