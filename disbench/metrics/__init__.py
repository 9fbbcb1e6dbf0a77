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
from dataclasses import dataclass
from functools import cache

import numpy as np

from disbench import __version__
from disbench.errors import InputError, nearest
from disbench.metrics import binary, pixels
from disbench.metrics import curves as levels  # in this package `curves` is the function below
from disbench.metrics.catalogue import METRICS, PAPER, STANDARD, VARIANTS, Keys, Metric, as_is, chosen  # noqa: F401
from disbench.metrics.protocols import NO_EPS, Protocol, find, names

KERNEL_VERSION = "2"  # to be changed whenever any number can change


@dataclass(frozen=True, eq=False)
class Measurement:
    """What a data set's scores need to know of one image.

    fg_hist, bg_hist: uint32 (256,), pixels by level of the raw map on foreground, truth > 128, and background
    values: column -> number, or curve over thresholds, of the measures that need pixels (disbench.metrics.pixels)
    fg_half: fg_hist where foreground is what is above half of the truth's maximum; None where that is the same
    """

    height: int
    width: int
    fg_hist: np.ndarray
    bg_hist: np.ndarray
    values: dict[str, float | list[float]]
    fg_half: np.ndarray | None = None

    def histograms(self, truth_above: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Pixels by level on foreground and background, by a protocol's rule for the truth."""
        if truth_above is None and self.fg_half is not None:
            return self.fg_half, self.fg_hist + self.bg_hist - self.fg_half
        return self.fg_hist, self.bg_hist


def measure(
    mask: np.ndarray,
    truth: np.ndarray,
    protocol: str = "pysod",
    metrics: Keys = None,
    thin: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Measurement:
    """Measure one map, uint8 (h, w), against its truth, uint8 (h, w), for scores under a protocol, or several: "a,b".

    `metrics` are keys as in score(); only the optional ones among them make a difference. `thin` gives the skeleton of
    a foreground, where it is kept for other maps (disbench.data.truths.skeleton). Without optional ones, needs at most
    3 bytes per pixel of further memory (4 where a protocol makes maps binary), runs in one thread without the GIL, may
    be called from many. Raises InputError for arrays of another type or shape, and for a truth of levels 0 and 1 only.
    """
    rules = [find(name) for name in names(protocol)]
    for name, array in (("mask", mask), ("truth", truth)):
        check_map(name, array)
    if mask.shape != truth.shape:
        raise InputError(f"mask is {mask.shape}, truth is {truth.shape}: resize the mask to the truth's (h, w)")
    mask = np.require(mask, requirements=["C", "W"])
    plain = pixels.Pair(mask, foreground(truth, 128), truth, thin)
    bg, fg = plain.raw_quadrants.sum(0)
    top = int(truth.max())
    if top == 1:
        raise InputError("truth: its levels are 0 and 1, so that no pixel is foreground; multiply it by 255")
    halved, fg_half = plain, None
    if differs(truth, top):
        halved = pixels.Pair(mask, foreground(truth, top // 2), truth, thin)
        fg_half = halved.raw_quadrants.sum(0)[1].astype(np.uint32)
    values = pixels.compute(lambda p: halved if p.truth_above is None else plain, rules, chosen(metrics))
    return Measurement(*mask.shape, fg.astype(np.uint32), bg.astype(np.uint32), values, fg_half)


def foreground(truth: np.ndarray, above: int) -> np.ndarray:
    """uint8 (h, w): 255 where the truth's level is greater, else 0."""
    found = np.greater(truth, above, order="C").view(np.uint8)
    return np.negative(found, out=found)  # 1 becomes 255


def differs(truth: np.ndarray, top: int) -> bool:
    """Whether some level lies between 128 and half of the maximum, so that the two rules for the truth part."""
    low, high = sorted((128, top // 2))
    return bool(((truth > low) & (truth <= high)).any()) if high - low > 1 else bool((truth == high).any())


def score(measurements: Sequence[Measurement], protocol: str = "pysod", metrics: Keys = None) -> dict[str, float]:
    """Metrics of METRICS over a data set, by key, under one protocol: those of STANDARD, or the chosen ones.

    The last bits depend on the order of the images: callers sort them by name. InputError for an empty data set, an
    unknown key, and one that needs pixels and was not measured for this protocol.
    """
    images = _Images(measurements, protocol)
    return {key: float(images.overall(METRICS[key]).mean()) for key in chosen(metrics)}


def curves(
    measurements: Sequence[Measurement],
    protocol: str = "pysod",
    measures: Sequence[str] = ("precision", "recall", "f", "e"),
) -> dict[str, np.ndarray]:
    """Means over images, float64 (256,), by threshold 0..255 of the stretched map; measures: keys of binary.MEASURES.

    Some protocols have 255 thresholds, and some take f of the mean precision and recall. InputError for an empty data
    set and an unknown measure.
    """
    images = _Images(measurements, protocol)
    for name in measures:
        if name not in binary.MEASURES:
            raise InputError(f"unknown curve {name!r}; {nearest(name, binary.MEASURES)}")
    return {name: images.rows(name).mean(0) for name in measures}


def per_image(
    measurements: Sequence[Measurement], protocol: str = "pysod", metrics: Keys = None
) -> dict[str, np.ndarray]:
    """The score of each image by itself, float64 (n,): its own curve has the maximum, its own pixels are the whole."""
    images = _Images(measurements, protocol)
    return {key: images.each(METRICS[key]) for key in chosen(metrics)}


_OF_LEVELS: dict[str, Callable[[levels.Levels, Protocol], np.ndarray]] = {
    "mae": lambda of, rules: levels.mae(of),
    "mse": lambda of, rules: levels.mse(of),
    "dice_soft": lambda of, rules: levels.soft_dice(of, rules.smooth),
}
BETA2: dict[str, Callable[[Protocol], float]] = {"f": lambda rules: rules.beta2, "f1": lambda rules: 1}


class _Images:
    """The images of one call: what several metrics share is computed once, and only what one of them needs."""

    def __init__(self, measurements: Sequence[Measurement], protocol: str):
        if not measurements:
            raise InputError("there are no measurements to score")
        self.rules = rules = find(protocol)
        pairs = zip(*(m.histograms(rules.truth_above) for m in measurements), strict=True)
        self.measurements = measurements
        self.levels = levels.under(*map(np.stack, pairs), rules)
        self.counts = cache(self._counts)
        self.values = cache(self._values)

    def _counts(self, thresholds: Callable) -> levels.Counts:
        found = thresholds(self.levels)
        if thresholds is levels.every:
            return levels.Counts(*(side[:, : self.rules.thresholds] for side in found))
        return found

    def _values(self, name: str, thresholds: Callable, pool: Callable = as_is) -> np.ndarray:
        if thresholds is levels.half and name in self.rules.at_half:
            thresholds = levels.at_half
        eps = self.rules.curve_eps if thresholds is levels.every else NO_EPS
        return binary.MEASURES[name](pool(self.counts(thresholds)), self.rules, eps)

    def each(self, metric: Metric) -> np.ndarray:
        """(n,): the score of each image by itself."""
        if metric.variant:
            variant = VARIANTS[metric.variant]
            return variant.reduce(self.values(metric.measure, variant.thresholds), axis=1)
        return self.whole(metric).max(1)

    def whole(self, metric: Metric) -> np.ndarray:
        """(n, k): of a measure without variants, the numbers of which the score is the mean, or curves, the maximum."""
        column = pixels.column(metric.key, self.rules)
        if column is None:
            return _OF_LEVELS[metric.key](self.levels, self.rules)[:, None]
        if any(column not in m.values for m in self.measurements):
            raise pixels.missing(metric.key, self.rules)
        return np.array([m.values[column] for m in self.measurements], np.float64).reshape(len(self.measurements), -1)

    def rows(self, name: str) -> np.ndarray:
        """(m, thresholds): the curves of which a data set's is the mean."""
        values, rules = self.values(name, levels.every), self.rules
        if name in BETA2 and rules.f_of_means:
            precision, recall = (self.values(key, levels.every).mean(0) for key in ("precision", "recall"))
            return binary.f_measure(precision, recall, BETA2[name](rules), rules.pooled_eps)[None]
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
        if variant.thresholds is levels.every:
            values = self.rows(metric.measure)
        else:
            values = self.values(metric.measure, variant.thresholds, variant.pool)
        return variant.reduce(variant.average(values), axis=1)


def signature(protocol: str, dataset: str, counts: Mapping[str, int], size: str = "native") -> str:
    """One line that says how scores were made: two scores compare only where all but the version is equal.

    counts: images per split, as in {"DIS-TE1": 500}; size: how maps were brought to the truth's, and how many were.
    """
    return "|".join(
        (
            f"disbench:{__version__}",
            f"kernel:{KERNEL_VERSION}",
            dataset,
            ",".join(f"{split}:{count}" for split, count in counts.items()),
            *find(protocol).switches,
            f"size:{size}",
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
