"""The measures of dichotomous image segmentation: measure() per image, score() over a data set.

An image is reduced to its Measurement: two level histograms, which determine MAE, F, E, precision and recall at every
threshold exactly, and the two numbers that need pixels, S and weighted F. What PySODMetrics 1.6.2 defines is equal to
it, the curves of F and E bit for bit, the rest up to rounding. At the edges, N being the number of pixels:

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
only where a level of the map equals it exactly. At one pixel PySODMetrics' E is 4.5e15 or 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from disbench import __version__
from disbench.errors import InputError
from disbench.metrics import curves as levels  # in this package `curves` is the function below
from disbench.metrics.protocols import find

KERNEL_VERSION = "1"  # to be changed whenever any number can change


@dataclass(frozen=True)
class Metric:
    """How a measure is written and defined. variants: the keys of the same measure, aggregated in other ways."""

    key: str
    symbol: str
    latex: str
    direction: str  # "higher" or "lower" is better
    formula: str
    reference: str
    variants: tuple[str, ...] = ()


_F = "F = (1 + β²) P R / (β² P + R), β² = 0.3; "
_E = "E = Σ (1 + 2pt / (p² + t²))² / 4(N - 1), p and t the binary map and the truth less their means; "
_MAX = "maximum over 256 thresholds of the mean curve of the images"
_MEAN = "mean over 256 thresholds and images"
_ADAPTIVE = "at twice the mean of each map, at most 1; mean over images"
_ACHANTA = "Achanta et al., Frequency-tuned salient region detection, CVPR 2009"
_MARGOLIN = "Margolin et al., How to evaluate foreground maps?, CVPR 2014"
_FAN_E = "Fan et al., Enhanced-alignment measure for binary foreground map evaluation, IJCAI 2018"
_FAN_S = "Fan et al., Structure-measure: a new way to evaluate foreground maps, ICCV 2017"
_PERAZZI = "Perazzi et al., Saliency filters, CVPR 2012"
_FS, _ES = ("f_max", "f_mean", "f_adaptive"), ("e_max", "e_mean", "e_adaptive")
_WEIGHTED = (
    "F with β² = 1 of errors blurred along the foreground and weighted 2 - 2^(-d/5) at distance d from it; "
    "mean over images"
)
_STRUCTURE = "S = half the similarity of objects + half that of the quadrants at the centroid; mean over images"

METRICS = {
    metric.key: metric
    for metric in (
        Metric("f_max", "Fᵦ max", r"F_\beta^{max}", "higher", _F + _MAX, _ACHANTA, _FS),
        Metric("f_mean", "Fᵦ mean", r"F_\beta^{mean}", "higher", _F + _MEAN, _ACHANTA, _FS),
        Metric("f_adaptive", "Fᵦ adp", r"F_\beta^{adp}", "higher", _F + _ADAPTIVE, _ACHANTA, _FS),
        Metric("f_weighted", "Fᵦ ω", r"F_\beta^{\omega}", "higher", _WEIGHTED, _MARGOLIN),
        Metric("e_max", "Eᵩ max", r"E_\phi^{max}", "higher", _E + _MAX, _FAN_E, _ES),
        Metric("e_mean", "Eᵩ m", r"E_\phi^m", "higher", _E + _MEAN, _FAN_E, _ES),
        Metric("e_adaptive", "Eᵩ adp", r"E_\phi^{adp}", "higher", _E + _ADAPTIVE, _FAN_E, _ES),
        Metric("s_measure", "Sₘ", "S_m", "higher", _STRUCTURE, _FAN_S),
        Metric("mae", "M", r"\mathcal{M}", "lower", "mean |map - truth| over pixels; mean over images", _PERAZZI),
    )
}
PAPER = ("f_max", "f_weighted", "e_mean", "s_measure", "mae")  # the five rows of Table 2 of the DiffDIS paper


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
        _check(name, array)
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


def score(measurements: Sequence[Measurement], protocol: str = "pysod") -> dict[str, float]:
    """Every metric of METRICS over a data set; InputError if it is empty.

    The last bits depend on the order of the images: callers sort them by name.
    """
    images, mean = per_image(measurements, protocol), curves(measurements, protocol)
    best = {"f_max": mean["f"].max(), "e_max": mean["e"].max()}
    return {key: float(best[key] if key in best else images[key].mean()) for key in METRICS}


def curves(measurements: Sequence[Measurement], protocol: str = "pysod") -> dict[str, np.ndarray]:
    """precision, recall, f and e: float64 (256,), means over images, by threshold 0..255 of the stretched map."""
    found = levels.curves(*_stack(measurements, protocol), find(protocol).beta2)
    return {key: curve.mean(0) for key, curve in found.items()}


def per_image(measurements: Sequence[Measurement], protocol: str = "pysod") -> dict[str, np.ndarray]:
    """Every metric of METRICS of each image: float64 (n,); f_max and e_max are the maxima of the image's own curves."""
    stack, beta2 = _stack(measurements, protocol), find(protocol).beta2
    found = levels.curves(*stack, beta2)
    f_adaptive, e_adaptive = levels.adaptive(*stack, beta2)
    return {
        "f_max": found["f"].max(1),
        "f_mean": found["f"].mean(1),
        "f_adaptive": f_adaptive,
        "f_weighted": np.array([m.f_weighted for m in measurements]),
        "e_max": found["e"].max(1),
        "e_mean": found["e"].mean(1),
        "e_adaptive": e_adaptive,
        "s_measure": np.array([m.s_measure for m in measurements]),
        "mae": levels.mae(*stack),
    }


def signature(protocol: str, dataset: str, counts: Mapping[str, int]) -> str:
    """One line that says how scores were made: two scores compare only where all but the version is equal.

    counts: images per split, as in {"DIS-TE1": 500}.
    """
    rules = find(protocol)
    return "|".join(
        (
            f"disbench:{__version__}",
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


def _check(name: str, array: np.ndarray) -> None:
    if not isinstance(array, np.ndarray):
        raise InputError(f"{name}: got a {type(array).__name__}, wanted a NumPy array, uint8 (h, w)")
    if array.dtype != np.uint8 or array.ndim != 2 or array.size == 0:
        raise InputError(
            f"{name}: got {array.dtype} of shape {array.shape}, wanted uint8 (h, w) of at least one pixel, "
            "levels 0 to 255"
        )


def _stack(measurements: Sequence[Measurement], protocol: str) -> tuple[np.ndarray, ...]:
    """fg, bg, lo, hi of disbench.metrics.curves."""
    if not measurements:
        raise InputError("there are no measurements to score")
    fg, bg = (np.stack([getattr(m, key) for m in measurements]).astype(np.int64) for key in ("fg_hist", "bg_hist"))
    return fg, bg, *levels.span(fg + bg, find(protocol).stretch)
