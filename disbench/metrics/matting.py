"""Measures of alpha mattes: SAD, MAD, MSE, gradient error and connectivity error, to the levels of a soft truth.

Rhemann et al., A perceptually motivated online benchmark for image matting, CVPR 2009. Map and truth are level / 255,
neither stretched nor cut. Over the whole image the measures are those of P3M's code (core/evaluate.py, which GFM and
AIM share). Over the unknown region of a trimap they are those of Deep Image Matting (GCA-Matting's utils/evaluate.py).

The two codes have different filters for the gradient error, so each function below has one of its own. An empty unknown
region has no error. All sums are sums of integers, so they do not depend on their order.
"""

import math
from typing import Literal, NamedTuple

import cv2
import numpy as np

from disbench.errors import InputError
from disbench.metrics.exact import HALF, LN_2, LOWER, PLACES, divide_sum, power_of_half
from disbench.metrics.kernels import kernel

I64, U64 = np.int64, np.uint64
SIGMA = 1.4
THOUSAND = 1000  # the field divides sums by it
STEPS = 10  # thresholds of the connectivity error
TOLERATED = 382  # a pixel is connected if it is less than 0.15 above its threshold, which is 382.5 / (255 * STEPS)
ONE = 255 * STEPS  # the connectivity of a connected pixel, in the units of _connectivity_sum


class Taps(NamedTuple):
    """A derivative of a Gaussian as two factors, from offset -reach to reach."""

    smooth: np.ndarray
    derivative: np.ndarray
    border: Literal["symmetric", "edge"]  # how numpy.pad continues the image


def _gaussian(reach: int) -> np.ndarray:
    offsets = np.arange(-reach, reach + 1)
    return power_of_half(offsets**2 / (2 * SIGMA * SIGMA * LN_2))


def _sampled_taps() -> Taps:
    """Return SciPy's: the Gaussian sums to 1 within 4 sigma, and the image is reflected at its border."""
    reach = int(4 * SIGMA + 0.5)
    smooth = _gaussian(reach)
    smooth = smooth / math.fsum(smooth.tolist())
    return Taps(smooth, np.arange(-reach, reach + 1) / (SIGMA * SIGMA) * smooth, "symmetric")


def _normed_taps() -> Taps:
    """Return those of Deep Image Matting: 9 x 9, with squares that sum to 1; border pixels are repeated."""
    smooth = _gaussian(4)
    derivative = np.arange(-4, 5) * smooth
    squares = (math.fsum((factor * factor).tolist()) for factor in (smooth, derivative))
    return Taps(smooth, derivative / math.sqrt(math.prod(squares)), "edge")


SAMPLED, NORMED = _sampled_taps(), _normed_taps()


def difference_errors(prediction: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Compute SAD / 1000, MAD and MSE over the whole image. Arrays are uint8 (h, w)."""
    return _errors(_difference_counts(prediction, truth, np.ones_like(truth)))


def difference_errors_unknown(prediction: np.ndarray, truth: np.ndarray, trimap: np.ndarray) -> dict[str, float]:
    """Compute SAD / 1000, MAD and MSE over the unknown region of a trimap. Arrays are uint8 (h, w)."""
    return _errors(_difference_counts(prediction, truth, find_unknown(trimap)))


def gradient_error(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Compute the gradient error of the whole image: Σ (|∇map| - |∇truth|)² / 10, sigma 1.4."""
    return _gradient_error(prediction, truth, np.ones_like(truth), SAMPLED) / 10


def gradient_error_unknown(prediction: np.ndarray, truth: np.ndarray, trimap: np.ndarray) -> float:
    """Compute the gradient error of the unknown region: Σ (|∇map| - |∇truth|)² / 1000, with normed filters."""
    return _gradient_error(prediction, truth, find_unknown(trimap), NORMED) / THOUSAND


def connectivity_error(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Compute the connectivity error of the whole image: Σ |φ(map) - φ(truth)| / 1000.

    Ω at a threshold is the largest part, connected by four neighbours, in which map and truth are at or above it. A
    pixel is connected up to the last threshold, in steps of 0.1, before it leaves Ω. φ is 1 less what its alpha has
    above that threshold, if that is at least 0.15. A threshold without Ω is skipped, as in P3M's code.
    """
    return _connectivity_sum(prediction, truth, np.ones_like(truth)) / (ONE * THOUSAND)


def connectivity_error_unknown(prediction: np.ndarray, truth: np.ndarray, trimap: np.ndarray) -> float:
    """Compute the connectivity error of the unknown region. Ω is that of the whole image."""
    return _connectivity_sum(prediction, truth, find_unknown(trimap)) / (ONE * THOUSAND)


def find_unknown(trimap: np.ndarray | None) -> np.ndarray:
    """Return where a trimap is neither 0 nor 255, uint8 (h, w), 0 or 1.

    Raises:
        InputError: for no trimap, and for one of more than three levels.
    """
    if trimap is None:
        raise InputError("measures of the unknown region need trimaps; give --trimaps")
    unknown = ((trimap > 0) & (trimap < 255)).view(np.uint8)
    levels = np.flatnonzero(np.bincount(trimap.ravel(), minlength=256)[1:255]) + 1
    if len(levels) > 1:
        raise InputError(
            f"its trimap has the levels {levels[0]} and {levels[1]} between 0 and 255; save it with 0, 128 and 255"
        )
    return unknown


def bound_gradient_error(pixels: int, *, in_unknown: bool) -> float:
    """Return the greatest gradient error that an image of this many pixels can have."""
    taps, divisor = (NORMED, THOUSAND) if in_unknown else (SAMPLED, 10)
    steepest = math.fsum(taps.derivative.clip(0).tolist()) * math.fsum(taps.smooth.tolist())
    return pixels * 2 * steepest * steepest / divisor


def _errors(counts: np.ndarray) -> dict[str, float]:
    """Return SAD / 1000, MAD and MSE of counted differences (256,)."""
    levels, pixels = np.arange(256), max(int(counts.sum()), 1)
    total, squares = int(counts @ levels), int(counts @ levels**2)
    return {"sad": total / (255 * THOUSAND), "mad": total / (255 * pixels), "mse": squares / (255 * 255 * pixels)}


@kernel
def _difference_counts(prediction, truth, region):
    """Count the pixels of a region by |prediction - truth|, int64 (256,)."""
    counts = np.zeros(256, np.int64)
    height, width = prediction.shape
    for y in range(height):
        for x in range(width):
            if region[y, x]:
                counts[abs(I64(prediction[y, x]) - I64(truth[y, x]))] += 1
    return counts


def _gradient_error(prediction: np.ndarray, truth: np.ndarray, region: np.ndarray, taps: Taps) -> float:
    """Return the sum over a region of (|∇map| - |∇truth|)²."""
    reach = len(taps.smooth) // 2
    height, width = prediction.shape
    rows, columns = (np.pad(np.arange(size), reach, mode=taps.border) for size in (height, width))
    smooth, derivative = taps.smooth / 255, taps.derivative  # which makes levels to shares
    halves = _gradient_units(prediction, truth, region, rows, columns, smooth, derivative)
    return divide_sum(halves, 1)


@kernel
def _filter_row(levels, rows, y, smooth, derivative, smoothed, derived):
    """Fill in a row of the image, smoothed and derived along the columns."""
    for x in range(smoothed.size):
        smoothed[x] = 0.0
        derived[x] = 0.0
    for tap in range(smooth.size):
        row = levels[rows[y + tap]]
        for x in range(smoothed.size):
            level = np.float64(row[x])
            smoothed[x] += smooth[tap] * level
            derived[x] += derivative[tap] * level


@kernel
def _magnitude_row(smoothed, derived, columns, smooth, derivative, magnitudes):
    """Fill in the lengths of the gradients of a row."""
    for x in range(magnitudes.size):
        across, down = 0.0, 0.0
        for tap in range(smooth.size):
            column = columns[x + tap]
            across += derivative[tap] * smoothed[column]
            down += smooth[tap] * derived[column]
        magnitudes[x] = math.sqrt(across * across + down * down)


@kernel
def _gradient_units(prediction, truth, region, rows, columns, smooth, derivative):
    """Return the sum over a region of squared differences of gradients, as divide_sum() takes it.

    `smooth` is divided by 255, so that one of the two filters of each direction turns levels into 0..1. The square of a
    difference is below 2^4, hence below 2^48 in units of 2^-44.
    """
    height, width = prediction.shape
    smoothed, derived = np.empty(width), np.empty(width)
    first, second = np.empty(width), np.empty(width)
    high, low = U64(0), U64(0)
    for y in range(height):
        _filter_row(prediction, rows, y, smooth, derivative, smoothed, derived)
        _magnitude_row(smoothed, derived, columns, smooth, derivative, first)
        _filter_row(truth, rows, y, smooth, derivative, smoothed, derived)
        _magnitude_row(smoothed, derived, columns, smooth, derivative, second)
        for x in range(width):
            if region[y, x]:
                difference = first[x] - second[x]
                part = U64(np.rint(math.ldexp(difference * difference, PLACES)))
                high += part >> HALF
                low += part & LOWER
    return high, low


def _connectivity_sum(prediction: np.ndarray, truth: np.ndarray, region: np.ndarray) -> int:
    """Return the sum over a region of |φ(map) - φ(truth)| in units of 1 / 2550."""
    lowest = np.minimum(prediction, truth)
    connected = np.full(lowest.shape, STEPS, np.uint8)  # the last threshold, in steps, up to which a pixel is connected
    open_pixels = np.ones(lowest.shape, bool)
    for step in range(1, STEPS + 1):
        at_or_above = (lowest >= -(-255 * step // STEPS)).view(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(at_or_above, connectivity=4)
        if count == 1:
            continue
        largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())  # of equal ones, the first in reading order
        left = open_pixels & (labels != largest)
        connected[left] = step - 1
        open_pixels &= ~left
    return int(_add_connectivity(prediction, truth, region, connected))


@kernel
def _excess(level, step):
    """Return what a level has above a threshold, in units of 1 / 2550, or 0 if that is tolerated."""
    above = STEPS * I64(level) - 255 * I64(step)
    return above if above > TOLERATED else I64(0)


@kernel
def _add_connectivity(prediction, truth, region, connected):
    total = I64(0)
    height, width = prediction.shape
    for y in range(height):
        for x in range(width):
            if region[y, x]:
                step = connected[y, x]
                total += abs(_excess(prediction[y, x], step) - _excess(truth[y, x], step))
    return total
