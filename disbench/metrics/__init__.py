"""The measures of dichotomous image segmentation: measure() per image, score() over a data set.

An image is reduced to its Measurement: two level histograms, which determine MAE, MSE and every measure of binary maps
at every threshold exactly, and the two numbers that need pixels, S and weighted F. What PySODMetrics 1.6.2 defines is
equal to it, the measures of binary maps bit for bit, the rest up to rounding. At the edges, of N pixels in all:

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
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from disbench import __version__
from disbench.errors import InputError, nearest
from disbench.metrics import binary
from disbench.metrics import curves as levels  # in this package `curves` is the function below
from disbench.metrics.catalogue import METRICS, PAPER, STANDARD, VARIANTS, Keys, Metric, as_is, chosen  # noqa: F401
from disbench.metrics.protocols import find

KERNEL_VERSION = "1"  # to be changed whenever any number can change


@dataclass(frozen=True, eq=False)
class Measurement:
    """What a data set's scores need to know of one image.

    fg_hist, bg_hist: uint32 (256,), pixels by level of the raw map on foreground and background of the truth
    s_measure, f_weighted: under the protocol of measure()
    """

    height: int
    width: int
    fg_hist: np.ndarray
    bg_hist: np.ndarray
    s_measure: float
    f_weighted: float


def measure(mask: np.ndarray, truth: np.ndarray, protocol: str = "pysod") -> Measurement:
    """Measure one map, uint8 (h, w), against its truth, uint8 (h, w), foreground where > 128.

    Needs at most 3 bytes per pixel of further memory, runs in one thread without the GIL, may be called from many.
    Raises InputError for arrays of another type or shape, and for a truth of levels 0 and 1 only.
    """
    rules = find(protocol)
    for name, array in (("mask", mask), ("truth", truth)):
        check_map(name, array)
    if mask.shape != truth.shape:
        raise InputError(f"mask is {mask.shape}, truth is {truth.shape}: resize the mask to the truth's (h, w)")
    from disbench.metrics.structure import quadrant_histograms, s_measure  # these load numba
    from disbench.metrics.weighted import f_weighted

    mask = np.require(mask, requirements=["C", "W"])
    foreground = np.greater(truth, rules.truth_above, order="C").view(np.uint8)
    np.negative(foreground, out=foreground)  # 1 becomes 255
    quadrants = quadrant_histograms(mask, foreground)
    bg, fg = quadrants.sum(0)
    if not fg.any() and truth.max() == 1:
        raise InputError("truth: its levels are 0 and 1, so that no pixel is foreground; multiply it by 255")
    lo, hi = map(int, levels.span(fg + bg, rules.stretch))
    return Measurement(
        *mask.shape,
        fg.astype(np.uint32),
        bg.astype(np.uint32),
        s_measure(quadrants, lo, hi),
        f_weighted(mask, foreground, lo, hi),
    )


def score(measurements: Sequence[Measurement], protocol: str = "pysod", metrics: Keys = None) -> dict[str, float]:
    """Metrics of METRICS over a data set, by key: those of STANDARD, or the chosen ones.

    The last bits depend on the order of the images: callers sort them by name. InputError for an empty data set and
    an unknown key.
    """
    images = _Images(measurements, protocol)
    return {key: float(images.overall(METRICS[key]).mean()) for key in chosen(metrics)}


def curves(
    measurements: Sequence[Measurement],
    protocol: str = "pysod",
    measures: Sequence[str] = ("precision", "recall", "f", "e"),
) -> dict[str, np.ndarray]:
    """Means over images, float64 (256,), by threshold 0..255 of the stretched map; measures: keys of binary.MEASURES.

    InputError for an empty data set and an unknown measure.
    """
    images = _Images(measurements, protocol)
    for name in measures:
        if name not in binary.MEASURES:
            raise InputError(f"unknown curve {name!r}; {nearest(name, binary.MEASURES)}")
    return {name: images.values(name, levels.every).mean(0) for name in measures}


def per_image(
    measurements: Sequence[Measurement], protocol: str = "pysod", metrics: Keys = None
) -> dict[str, np.ndarray]:
    """The score of each image by itself, float64 (n,): its own curve has the maximum, its own pixels are the whole."""
    images = _Images(measurements, protocol)
    return {key: images.each(METRICS[key]) for key in chosen(metrics)}


_OF_LEVELS = {"mae": levels.mae, "mse": levels.mse}


class _Images:
    """The images of one call: what several metrics share is computed once, and only what one of them needs."""

    def __init__(self, measurements: Sequence[Measurement], protocol: str):
        if not measurements:
            raise InputError("there are no measurements to score")
        rules = find(protocol)
        fg, bg = (np.stack([getattr(m, key) for m in measurements]).astype(np.int64) for key in ("fg_hist", "bg_hist"))
        self.measurements = measurements
        self.levels = fg, bg, *levels.span(fg + bg, rules.stretch)
        self.counts = cache(lambda thresholds: thresholds(*self.levels))
        self.values = cache(
            lambda name, thresholds, pool=as_is: binary.MEASURES[name](pool(self.counts(thresholds)), rules)
        )

    def each(self, metric: Metric) -> np.ndarray:
        """(n,): the score of each image by itself."""
        if metric.variant:
            variant = VARIANTS[metric.variant]
            return variant.reduce(self.values(metric.measure, variant.thresholds), axis=1)
        if metric.key in _OF_LEVELS:
            return _OF_LEVELS[metric.key](*self.levels)
        return np.array([getattr(m, metric.key) for m in self.measurements])

    def overall(self, metric: Metric) -> np.ndarray:
        """What the score of the data set is the mean of: a number per image, or the only one."""
        if not metric.variant:
            return self.each(metric)
        variant = VARIANTS[metric.variant]
        values = self.values(metric.measure, variant.thresholds, variant.pool)
        return variant.reduce(variant.average(values), axis=1)


def signature(protocol: str, dataset: str, counts: Mapping[str, int]) -> str:
    """One line that says how scores were made: two scores compare only where all but the version is equal.

    counts: images per split, as in {"DIS-TE1": 500}.
    """
    rules = find(protocol)
    return "|".join(
        (
            f"disbench:{__version__}",
            f"kernel:{KERNEL_VERSION}",
            dataset,
            ",".join(f"{split}:{count}" for split, count in counts.items()),
            "pred:minmax" if rules.stretch else "pred:raw",
            f"gt>{rules.truth_above}",
            "thr:256",
            f"b2:{rules.beta2:g}",
            f"E:{rules.e}",
            "size:native",
        )
    )


def check_map(name: str, array: np.ndarray) -> None:
    """InputError unless `array` is uint8 (h, w) of at least one pixel; `name` is what the message calls it."""
    if not isinstance(array, np.ndarray):
        raise InputError(f"{name}: got a {type(array).__name__}, wanted a NumPy array, uint8 (h, w)")
    if array.dtype != np.uint8 or array.ndim != 2 or array.size == 0:
        raise InputError(
            f"{name}: got {array.dtype} of shape {array.shape}, wanted uint8 (h, w) of at least one pixel, "
            "levels 0 to 255"
        )
