"""Measures of boundaries: boundary IoU, and mean boundary accuracy (mBA).

For boundary IoU, a boundary is what an erosion removes, and there is background outside of the image. An object that
the image cuts therefore has a boundary there. For mBA, a boundary is where a dilation and an erosion differ, and there
is nothing outside of the image.

All results lie in 0..1, and higher is better. A quotient 0/0 is 0: boundary IoU without foreground in map and truth,
and mBA of an empty or full truth, for which BiRefNet's code returns NaN.
"""

import math

import cv2
import numpy as np

from disbench.metrics.bits import pack
from disbench.metrics.kernels import inner_kernel, joint_histogram, kernel
from disbench.metrics.stretch import half_level, truncate_levels

SHARE = 0.02  # width of a boundary, as a share of the image's diagonal
MBA_ABOVE = 128  # for mBA the map is not stretched; levels above this one are foreground
STEPS = 5  # number of radii of mBA

U8, U64 = np.uint8, np.uint64
ONE, LAST = np.uint64(1), np.uint64(63)
# Masks and factor of a parallel sum of bits.
PAIRS, FOURS, EIGHTS, SUM = map(np.uint64, (0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F, 2**64 // 255))


def boundary_iou(prediction: np.ndarray, foreground: np.ndarray, lo: int, hi: int) -> float:
    """Compute boundary IoU of the map above 1/2, with boundaries of 2 % of the diagonal.

    Cheng et al., Boundary IoU: improving object-centric image segmentation evaluation, CVPR 2021, equation 3. As in
    their code, squares take the place of discs.

    Args:
        prediction: the map, uint8 (h, w).
        foreground: the foreground of the truth, uint8 (h, w), 0 or 255.
        lo: the level of the map that stands for 0.
        hi: the level of the map that stands for 1.

    Returns:
        The score, in 0..1.
    """
    binary = cv2.threshold(prediction, half_level(lo, hi), 255, cv2.THRESH_BINARY)[1]
    predicted, expected = _inner_boundary(binary), _inner_boundary(foreground)
    pixels = cv2.countNonZero(predicted) + cv2.countNonZero(expected)
    hits = cv2.countNonZero(np.bitwise_and(predicted, expected, out=predicted))
    return hits / max(pixels - hits, 1)


def grey_boundary_iou(prediction: np.ndarray, foreground: np.ndarray, lo: int, hi: int) -> np.ndarray:
    """Compute boundary IoU at thresholds 0 to 255, as BiRefNet's evaluation defines it.

    The boundary of the map is grey: the stretched and truncated levels, minus their minimum within 2 % of the diagonal.
    It is positive at or above a threshold. This is not the boundary of the thresholded map.

    Args:
        prediction: the map, uint8 (h, w).
        foreground: the foreground of the truth, uint8 (h, w), 0 or 255.
        lo: the level of the map that stands for 0.
        hi: the level of the map that stands for 1.

    Returns:
        The scores, float64 (256,), in 0..1.
    """
    truncated = prediction if (lo, hi) == (0, 255) else cv2.LUT(prediction, truncate_levels(lo, hi))
    predicted, expected = _inner_boundary(truncated), _inner_boundary(foreground)
    histograms = joint_histogram(predicted, expected, 0, 0).sum(0)
    spilled, hits = histograms[:, ::-1].cumsum(1)[:, ::-1]
    return hits / np.maximum(hits[0] + spilled, 1)


def mean_boundary_accuracy(prediction: np.ndarray, foreground: np.ndarray) -> float:
    """Compute mBA: the share of correct pixels of the map > 128 around the boundary of the truth.

    The result is the mean over five radii from 1 to (h + w) / 300 in equal steps, rounded down. Cheng et al.,
    CascadePSP: toward class-agnostic and very high-resolution segmentation via global and local refinement, CVPR 2020,
    section 4.2. Arrays are uint8 (h, w), foreground 0 or 255.
    """
    height, width = prediction.shape
    steps = np.arange(STEPS) * (((width + height) / 300 - 1) / STEPS)
    radii = 1 + steps.astype(np.int64)
    inside, expected, predicted = map(pack, (np.ones_like(foreground), foreground, prediction > MBA_ABOVE))
    right, pixels = _count_around(expected, inside, inside & ~(expected ^ predicted), _discs(radii))
    return math.fsum((right / np.maximum(pixels, 1)).tolist()) / STEPS


def _boundary_reach(height: int, width: int) -> int:
    return max(1, round(SHARE * math.sqrt(height**2 + width**2)))


def _inner_boundary(levels: np.ndarray) -> np.ndarray:
    """Return levels minus their minimum in a square, uint8 (h, w). Outside of the image the level is 0."""
    reach = _boundary_reach(*levels.shape)
    boundary = levels.copy()  # where the square leaves the image
    if min(levels.shape) > 2 * reach:
        _subtract_minima(levels.reshape(-1), boundary.reshape(-1), levels.shape[1], reach, _doubling_steps(reach))
    return boundary


def _doubling_steps(reach: int) -> np.ndarray:
    """Return the shifts whose minima, one after the other, cover 2 * reach + 1 neighbours: 1, 2, 4..., int64."""
    steps: list[int] = []
    while left := 2 * reach - sum(steps):
        steps.append(min(1 + sum(steps), left))
    return np.array(steps)


@inner_kernel
def _take_smaller(first, at, second, size, smaller):
    """Fill in the smaller of two levels. The result is an array of its own, as SIMD code needs."""
    at = U64(at)
    for x in range(U64(size)):
        smaller[x] = min(first[at + x], second[x])


@inner_kernel
def _subtract(minima, at, size, boundary):
    """Subtract minima from a part of a row."""
    at = U64(at)
    for x in range(U64(size)):
        boundary[at + x] = U8(boundary[at + x] - minima[x])


@kernel
def _subtract_minima(levels, boundary, width, reach, steps):
    """Subtract the minimum of the square around each pixel whose square lies in the image.

    `boundary` is a copy of `levels`; both are flat. Rows are taken in groups as high as a square, which then covers the
    last rows of one group and the first rows of the next: `lower` holds the minima of each number of last rows, and
    `upper` those of the first rows so far. van Herk, A fast algorithm for local minimum and maximum filters on
    rectangular and octagonal kernels, Pattern Recognition Letters, 1992.
    """
    side = 2 * reach + 1
    squares = levels.size // width - side + 1  # in a column
    lower = np.full((side + 1, width), U8(255))
    minima, spare = np.empty(width, U8), np.empty(width, U8)
    for start in range(0, squares, side):
        for row in range(side - 1, -1, -1):
            _take_smaller(levels, (start + row) * width, lower[row + 1], width, lower[row])
        upper = np.full(width, U8(255))
        for row in range(min(side, squares - start)):
            if row > 0:
                _take_smaller(levels, (start + side + row - 1) * width, upper, width, spare)
                upper, spare = spare, upper
            _take_smaller(lower[row], 0, upper, width, minima)
            size = width
            for step in steps:
                size -= step
                _take_smaller(minima, step, minima, size, spare)
                minima, spare = spare, minima
            _subtract(minima, (start + row + reach) * width + reach, size, boundary)


def _discs(radii: np.ndarray) -> np.ndarray:
    """Describe OpenCV's ellipses by half the width of their rows 0, ±1..., int64 (n, r + 1); -1 for a missing row."""
    halves = np.full((len(radii), radii.max() + 1), -1)
    for row, radius in zip(halves, radii.tolist(), strict=True):
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        row[: radius + 1] = disc[radius:].sum(1) // 2
    return halves


@inner_kernel
def _widen(row, wider):
    """Fill in the packed pixels of a row with their neighbours on the left and right."""
    words = row.size
    for x in range(words):
        wider[x] = row[x] | row[x] << ONE | row[x] >> ONE
    for x in range(1, words):
        wider[x] |= row[x - 1] >> LAST
        wider[x - 1] |= row[x] << LAST


@inner_kernel
def _bits(word):
    """Count the bits of a word."""
    word -= word >> ONE & PAIRS
    word = (word & FOURS) + (word >> np.uint64(2) & FOURS)
    word = word + (word >> np.uint64(4)) & EIGHTS
    return word * SUM >> np.uint64(56)


@inner_kernel
def _collect(rows, near):
    """Add packed pixels to `near`."""
    for x in range(near.size):
        near[x] |= rows[x]


@inner_kernel
def _count_row(near, off, inside, right, counts):
    """Count the pixels of a row that have foreground near and background near, and how many of them are right."""
    for x in range(near.size):
        around = near[x] & off[x] & inside[x]
        counts[0] += np.int64(_bits(around & right[x]))
        counts[1] += np.int64(_bits(around))


@kernel
def _count_around(expected, inside, right, halves):
    """Count pixels of `right`, and of `inside`, with foreground and background in the disc around them.

    Arrays are packed. Returns int64 (n,) each, one number per disc. A ring buffer holds the last rows of foreground
    and background, each widened 0, 1, 2... times.
    """
    height, words = expected.shape
    discs, reach = halves.shape[0], halves.shape[1] - 1
    rows, widths = 2 * reach + 1, halves.max() + 1
    wide = np.zeros((2, rows, widths, words), np.uint64)
    near = np.empty((2, words), np.uint64)
    counts = np.zeros((discs, 2), np.int64)
    for y in range(height + reach):
        for side in range(2):
            latest = wide[side, y % rows]
            if y < height:
                for x in range(words):
                    latest[0, x] = expected[y, x] if side == 0 else inside[y, x] & ~expected[y, x]
                for width in range(1, widths):
                    _widen(latest[width - 1], latest[width])
            else:
                latest[:] = np.uint64(0)
        centre = y - reach
        if centre < 0:
            continue
        for disc in range(discs):
            near[:] = np.uint64(0)
            for row in range(-reach, reach + 1):
                width = halves[disc, abs(row)]
                if width >= 0 and centre + row >= 0:
                    for side in range(2):
                        _collect(wide[side, (centre + row) % rows, width], near[side])
            _count_row(near[0], near[1], inside[centre], right[centre], counts[disc])
    return counts[:, 0], counts[:, 1]
