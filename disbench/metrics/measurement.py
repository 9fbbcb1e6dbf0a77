"""The Measurement of one image: all that the scores of a data set need from it."""

from dataclasses import dataclass, replace
from typing import Unpack

import numpy as np

from disbench.errors import InputError
from disbench.metrics.borrowed import borrow_array
from disbench.metrics.catalogue import MetricKeys, resolve_metrics
from disbench.metrics.foreground import Foreground
from disbench.metrics.map_pair import MapPair, PairInputs
from disbench.metrics.pixel_metrics import StoredValue, compute_columns
from disbench.metrics.protocols import get_protocol, parse_protocols
from disbench.metrics.validate import FOREGROUND_ABOVE, check_image, check_map, check_not_binary, scale_truth

KERNEL_VERSION = "2"  # change it whenever a score can change by more than 1e-12


@dataclass(frozen=True, eq=False)
class Measurement:
    """The sufficient statistics of one image.

    Attributes:
        height: rows of the truth.
        width: columns of the truth.
        fg_hist: foreground pixels (truth > 128) at each level of the raw map, uint32 (256,).
        bg_hist: background pixels at each level of the raw map, uint32 (256,).
        values: numbers and curves of the measures that need pixels, by column; see disbench.metrics.pixel_metrics.
        fg_half: fg_hist for the foreground above half of the truth's maximum. None: it equals fg_hist.
    """

    height: int
    width: int
    fg_hist: np.ndarray
    bg_hist: np.ndarray
    values: dict[str, StoredValue]
    fg_half: np.ndarray | None = None

    def histograms(self, truth_above: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Return (foreground, background) pixels at each level, for a protocol's rule `truth_above`."""
        if truth_above is None and self.fg_half is not None:
            return self.fg_half, self.fg_hist + self.bg_hist - self.fg_half
        return self.fg_hist, self.bg_hist


def measure(
    prediction: np.ndarray,
    truth: np.ndarray,
    protocol: str = "pysod",
    metrics: MetricKeys = None,
    **inputs: Unpack[PairInputs],
) -> Measurement:
    """Measure one prediction map against its ground truth.

    The function runs in one thread without the GIL, and many threads may call it. Without optional metrics it needs
    at most 3 bytes of additional memory per pixel, or 4 if a protocol makes maps binary. A thread keeps 2 of them for
    its next call, unless an image has more than 64 megapixels.

    Args:
        prediction: the map, uint8 (h, w).
        truth: the ground truth, uint8 (h, w); foreground is 255.
        protocol: names of the protocols to score under, as in "pysod,diffdis".
        metrics: keys as in score(). Only optional metrics matter, because all others are always measured.
        **inputs: what some metrics need. thin: function that returns the skeleton of a foreground, to reuse skeletons
            between maps; see disbench.data.truth_cache.load_skeleton. trimap: the trimap, uint8 (h, w), for metrics of
            its unknown region, which is neither 0 nor 255. image: the image, uint8 (h, w, 3) RGB, for
            camouflage_context.

    Returns:
        The measurement, for score(), curves() and per_image().

    Raises:
        InputError: for arrays of another type or shape, for a truth whose largest level is between 1 and 128, which
            would count as empty, for metrics of the unknown region without a trimap, and for camouflage_context
            without the image.

    Examples:
        >>> import numpy as np
        >>> import disbench
        >>> truth = np.zeros((4, 4), np.uint8)
        >>> truth[1:3, 1:3] = 255
        >>> int(disbench.measure(truth, truth).fg_hist[255])
        4
    """
    check_map("prediction", prediction)
    check_map("truth", truth)
    check_not_binary("truth", truth)
    scale_truth("truth", truth)  # which refuses one that would count as empty
    return measure_soft(prediction, truth, protocol, metrics, **inputs)


def measure_soft(
    prediction: np.ndarray,
    truth: np.ndarray,
    protocol: str = "pysod",
    metrics: MetricKeys = None,
    **inputs: Unpack[PairInputs],
) -> Measurement:
    """Measure as measure() does, but against a soft truth, which may have any levels, such as 0 and 1 of 255."""
    from disbench.metrics.kernels import threshold_truth  # loads Numba

    protocols = [get_protocol(name) for name in parse_protocols(protocol)]
    check_map("prediction", prediction)
    check_map("truth", truth)
    if prediction.shape != truth.shape:
        raise InputError(
            f"prediction is {prediction.shape}, truth is {truth.shape}; resize the prediction to the truth's (h, w)"
        )
    arrays = (("trimap", inputs.get("trimap"), check_map), ("image", inputs.get("image"), check_image))
    for name, array, check in arrays:
        if array is not None:
            check(name, array)
            if array.shape[:2] != truth.shape:
                raise InputError(f"{name} is {array.shape}, truth is {truth.shape}; give the {name} of this truth")
    prediction = np.require(prediction, requirements=["C", "W"])
    with borrow_array(truth.shape) as mask:
        foreground = threshold_truth(truth, FOREGROUND_ABOVE, mask)
        pair = MapPair(raw=prediction, region=foreground, truth=truth, **inputs)
        bg, fg = pair.raw_quadrants.sum(0)
        # Some protocols take the truth above half of its maximum. For nearly all truths that is the same foreground.
        half_pair, fg_half = pair, None
        top = int(truth.max())
        if truth_rules_differ(truth, top, foreground):
            half_pair = replace(pair, region=threshold_truth(truth, top // 2))
            fg_half = half_pair.raw_quadrants.sum(0)[1].astype(np.uint32)
        values = compute_columns(
            lambda p: half_pair if p.truth_above is None else pair, protocols, resolve_metrics(metrics)
        )
    height, width = prediction.shape
    return Measurement(height, width, fg.astype(np.uint32), bg.astype(np.uint32), values, fg_half)


def truth_rules_differ(truth: np.ndarray, top: int, foreground: Foreground) -> bool:
    """Check whether some level lies between 128 and half of the maximum, `top`, so that the two rules differ."""
    if top // 2 == FOREGROUND_ABOVE - 1:  # of nearly all truths
        return foreground.has_limit
    return bool(((truth > top // 2) & (truth <= FOREGROUND_ABOVE)).any())
