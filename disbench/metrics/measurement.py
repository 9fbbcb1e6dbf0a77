"""What is measured of one image."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from disbench.errors import InputError
from disbench.metrics.catalogue import METRICS, PAPER, STANDARD, VARIANTS, Metric, MetricKeys, as_is, resolve_metrics  # noqa: F401
from disbench.metrics.pixel_metrics import MapPair, compute_columns
from disbench.metrics.protocols import get_protocol, parse_protocols
from disbench.metrics.validate import check_map

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
    metrics: MetricKeys = None,
    thin: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Measurement:
    """Measure one map, uint8 (h, w), against its truth, uint8 (h, w), for scores under a protocol, or several: "a,b".

    `metrics` are keys as in score(); only the optional ones among them make a difference. `thin` gives the skeleton of
    a foreground, where it is kept for other maps (disbench.data.truths.skeleton). Without optional ones, needs at most
    3 bytes per pixel of further memory (4 where a protocol makes maps binary), runs in one thread without the GIL, may
    be called from many. Raises InputError for arrays of another type or shape, and for a truth of levels 0 and 1 only.
    """
    rules = [get_protocol(name) for name in parse_protocols(protocol)]
    for name, array in (("mask", mask), ("truth", truth)):
        check_map(name, array)
    if mask.shape != truth.shape:
        raise InputError(f"mask is {mask.shape}, truth is {truth.shape}: resize the mask to the truth's (h, w)")
    mask = np.require(mask, requirements=["C", "W"])
    plain = MapPair(mask, binarise_truth(truth, 128), truth, thin)
    bg, fg = plain.raw_quadrants.sum(0)
    top = int(truth.max())
    if top == 1:
        raise InputError("truth: its levels are 0 and 1, so that no pixel is foreground; multiply it by 255")
    halved, fg_half = plain, None
    if truth_rules_differ(truth, top):
        halved = MapPair(mask, binarise_truth(truth, top // 2), truth, thin)
        fg_half = halved.raw_quadrants.sum(0)[1].astype(np.uint32)
    values = compute_columns(lambda p: halved if p.truth_above is None else plain, rules, resolve_metrics(metrics))
    return Measurement(*mask.shape, fg.astype(np.uint32), bg.astype(np.uint32), values, fg_half)


def binarise_truth(truth: np.ndarray, above: int) -> np.ndarray:
    """uint8 (h, w): 255 where the truth's level is greater, else 0."""
    found = np.greater(truth, above, order="C").view(np.uint8)
    return np.negative(found, out=found)  # 1 becomes 255


def truth_rules_differ(truth: np.ndarray, top: int) -> bool:
    """Whether some level lies between 128 and half of the maximum, so that the two rules for the truth part."""
    low, high = sorted((128, top // 2))
    return bool(((truth > low) & (truth <= high)).any()) if high - low > 1 else bool((truth == high).any())
