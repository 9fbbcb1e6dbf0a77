"""Weighted F: Margolin, Zelnik-Manor and Tal, How to evaluate foreground maps?, CVPR 2014.

`near` (h, w) is the vertical distance of each pixel to the foreground. The small loops here and in `blurred` become
SIMD code for three reasons: most have a fixed length, they select by byte masks instead of branches, and they cast
every result back to the width of its array. They take whole flat arrays and unsigned offsets, because slices would be
reference-counted and signed offsets would be checked for wrapping.
"""

import math

import numpy as np

from disbench.metrics.blurred import foreground_error
from disbench.metrics.borrowed import borrow_array
from disbench.metrics.exact import HALF, LOWER, divide_sum, power_of_half, to_units
from disbench.metrics.kernels import inner_kernel, kernel
from disbench.metrics.protocols import EPS

U8, U16, U32, U64 = np.uint8, np.uint16, np.uint32, np.uint64

# Distances saturate here. The weight of an error is then within 1.3e-11 of its limit 2. The sum of two squares of this
# distance still fits into 16 bits.
FAR = 181
FAR2 = FAR * FAR
BLOCK = 128  # columns whose distances are searched together
BLOCKS = 2  # blocks within FAR on either side
STEP = 8  # offsets that are searched together; divides BLOCK
WIDE = 64  # offsets from which on the columns of the nearest foreground are looked for instead
PART = 32  # columns of a quarter of a block
UNROLLED = 4  # columns that are taken together
SPAN = 2 * FAR  # more columns than between a pixel of a block and a column within FAR of the block
# Squares of offsets from -SPAN to SPAN. Beyond FAR they do not count, and the sum with another square fits into uint16.
SQUARES = np.minimum(np.arange(-SPAN, SPAN + 1) ** 2, 0xFFFF - FAR2).astype(U16)

# The weight of an error on the background, by its squared distance to the foreground. Distance 0 is the foreground.
IMPORTANCE = 2 - power_of_half(np.sqrt(np.arange(FAR2 + 1)) / 5)
IMPORTANCE[0] = 0
# The same in units of 2^-44. The sum over a block is at most BLOCK * 255 * 2 / 2^-44: below 2^60, it fits into uint64.
WEIGHTS = to_units(IMPORTANCE)


def weighted_errors(prediction: np.ndarray, foreground: np.ndarray, lo: int, hi: int) -> tuple[int, float, float]:
    """Compute the three numbers from which weighted F follows.

    Args:
        prediction: the map, uint8 (h, w).
        foreground: the foreground of the truth, uint8 (h, w), 0 or 255.
        lo: the level of the map that stands for 0; no level is lower.
        hi: the level of the map that stands for 1; no level is higher.

    Returns:
        The number of foreground pixels, and the sums of weighted errors (each in 0..1) on foreground and background.
    """
    truth = int(np.count_nonzero(foreground))
    if truth == 0:
        return 0, 0.0, 0.0
    with borrow_array(foreground.shape) as near:
        fill_vertical_distance(foreground, near)
        missed = divide_sum(foreground_error(prediction, near, hi), hi - lo)
        spilled = divide_sum(background_error(prediction, near, lo, WEIGHTS), hi - lo)
    return truth, missed, spilled


def f_weighted(truth: int, missed: float, spilled: float, eps: float = EPS) -> float:
    """Compute weighted F with beta = 1.

    Args:
        truth: foreground pixels of the truth.
        missed: sum of the weighted errors on the foreground.
        spilled: sum of the weighted errors on the background.
        eps: number added to divisors.

    Returns:
        Weighted F in 0..1. 0 without foreground.
    """
    if truth == 0:
        return 0.0
    hits = truth - missed
    recall, precision = hits / truth, hits / (hits + spilled + eps)
    return float(2 * recall * precision / (recall + precision + eps))


@inner_kernel
def _byte_mask(condition):
    """Return 255 where the condition holds, otherwise 0."""
    return U8(U8(0) - U8(condition))


def fill_vertical_distance(foreground: np.ndarray, near: np.ndarray) -> None:
    """Fill in the rows to the nearest foreground pixel of the same column, uint8 (h, w), up to FAR."""
    _vertical_distance(foreground.reshape(-1), near.reshape(-1), *near.shape)


@kernel
def _vertical_distance(foreground, near, height, width):
    """Fill in the distances to the foreground at or above, then lower them to those to the foreground below."""
    for x in range(U64(width)):
        near[x] = U8(U8(FAR) & U8(~foreground[x]))
    for y in range(1, height):
        _from_above(foreground, near, U64(y * width), U64(width))
    for y in range(height - 2, -1, -1):
        _from_below(near, U64(y * width), U64(width))


@inner_kernel
def _from_above(foreground, near, start, width):
    """Fill in a row: 0, or one more than in the row above, up to FAR."""
    for x in range(start, start + width):
        further = U8(min(near[x - width], U8(FAR - 1)) + U8(1))
        near[x] = U8(further & U8(~foreground[x]))


@inner_kernel
def _from_below(near, start, width):
    """Lower a row to one more than in the row below."""
    for x in range(start, start + width):
        near[x] = min(near[x], U8(near[x + width] + U8(1)))


@inner_kernel
def _load(prediction, near, at, lo, start, size, above, heights):
    """Copy a block of a row: the levels above lo, and near. Return the greatest near of a pixel above lo."""
    reach = U8(0)
    for x in range(size):
        level, height = U8(prediction[at + x] - lo), near[at + x]
        above[start + x] = level
        heights[start + x] = height
        reach = max(reach, U8(height & _byte_mask(level != U8(0))))
    return np.int64(reach)


@inner_kernel
def _square(heights, start, squares, to):
    """Fill in the squared distances of a block, and return the least."""
    least = U16(FAR2)
    for x in range(U64(BLOCK)):
        square = U16(U16(heights[start + x]) * U16(heights[start + x]))
        squares[to + x] = square
        least = min(least, square)
    return np.int64(least)


@inner_kernel
def _start(squares, at, best):
    """Begin with the squared vertical distances of a block."""
    for x in range(U64(BLOCK)):
        best[x] = squares[at + x]


@inner_kernel
def _capped_square(offset):
    return U16(min(offset * offset, U64(FAR2)))


@inner_kernel
def _relax(squares, at, offset, best):
    """Lower the squared distances of a block by way of columns offset to offset + STEP - 1 away on either side."""
    left, right, offset = U64(at - offset), U64(at + offset), U64(offset)
    for x in range(U64(BLOCK)):
        least = best[x]
        for more in range(U64(STEP)):
            closer = min(squares[left + x - more], squares[right + x + more])
            least = min(least, U16(closer + _capped_square(offset + more)))
        best[x] = least


@inner_kernel
def _farthest(best, above, start):
    """Return the greatest squared distance of a pixel above level lo."""
    greatest = U16(0)
    for x in range(U64(BLOCK)):
        needed = U16(U16(0) - U16(above[start + x] != U8(0)))
        greatest = max(greatest, U16(best[x] & needed))
    return np.int64(greatest)


@inner_kernel
def _find_column(squares, at, first, last):
    """Return the column from first to last by way of which a pixel of column `at` is nearest to the foreground."""
    least = U32(0xFFFFFFFF)
    start, offset = U64(first), U64(SPAN + first - at)
    for i in range(U64(last - first + 1)):
        square = U16(squares[start + i] + SQUARES[offset + i])
        least = min(least, U32(U32(U32(square) << U32(16)) | U32(i)))
    return first + np.int64(least & U32(0xFFFF))


@inner_kernel
def _take_columns(squares, at, first, last, best, start):
    """Lower the squared distances of a quarter of a block by way of the columns from first to last, or a few more."""
    for column in range(first, last + 1, UNROLLED):
        source, offset = U64(column), U64(SPAN + at - column)
        for x in range(U64(PART)):
            least = best[start + x]
            for more in range(U64(UNROLLED)):
                least = min(least, U16(squares[source + more] + SQUARES[offset + x - more]))
            best[start + x] = least


@inner_kernel
def _search_all(squares, at, best):
    """Lower the squared distances of a block by way of all columns.

    From left to right, pixels are nearest to the foreground by way of columns in the same order. So the columns of two
    pixels enclose those of the pixels between them. No column is further away than the distance that is known.
    """
    end, reach = at + BLOCK - 1, np.int64(math.sqrt(best[0]))
    first = _find_column(squares, at, at - reach, at + reach)
    reach = np.int64(math.sqrt(best[BLOCK - 1]))
    last = _find_column(squares, end, max(first, end - reach), end + reach)
    middle = _find_column(squares, at + 2 * PART, first, last)
    left = _find_column(squares, at + PART, first, middle)
    right = _find_column(squares, at + 3 * PART, middle, last)
    _take_columns(squares, at, first, left, best, U64(0))
    _take_columns(squares, at + PART, left, middle, best, U64(PART))
    _take_columns(squares, at + 2 * PART, middle, right, best, U64(2 * PART))
    _take_columns(squares, at + 3 * PART, right, last, best, U64(3 * PART))


@inner_kernel
def _weigh(best, above, start, weights):
    """Return the sum of levels times weights over a block."""
    total = U64(0)
    for x in range(U64(BLOCK)):
        total += U64(above[start + x]) * weights[U64(best[x])]
    return total


@inner_kernel
def _sum(above, start):
    """Return the sum of levels over a block."""
    total = U16(0)
    for x in range(U64(BLOCK)):
        total += U16(above[start + x])
    return U64(total)


@kernel
def background_error(prediction, near, lo, weights):
    """Return the sum of (prediction - lo) * weights[squared distance to the foreground], as divide_sum() takes it.

    weights[0] = 0 stands for the foreground itself. A distance matters only where the map is above lo. A block of
    columns is searched offset by offset, as long as its farthest such pixel could still come closer. The least
    vertical distance of the neighbouring blocks bounds that. Where many offsets remain, _search_all() costs less.
    """
    height, width = prediction.shape
    prediction, near, lo = prediction.reshape(-1), near.reshape(-1), U8(lo)
    blocks = (width + BLOCK - 1) // BLOCK
    above, heights = np.zeros(blocks * BLOCK, U8), np.full(blocks * BLOCK, U8(FAR))
    squares = np.full((blocks + 2 * BLOCKS) * BLOCK, U16(FAR2))
    least = np.full(blocks + 2 * BLOCKS, FAR2)
    reach = np.empty(blocks, np.int64)
    best = np.empty(BLOCK, U16)
    high, low = U64(0), U64(0)
    for y in range(height):
        farthest = 0
        for block in range(blocks):
            start = block * BLOCK
            size = U64(min(BLOCK, width - start))
            reach[block] = _load(prediction, near, U64(y * width + start), lo, U64(start), size, above, heights)
            farthest = max(farthest, reach[block])
        if farthest == 0:
            continue
        for block in range(blocks):
            to = U64((block + BLOCKS) * BLOCK)
            least[block + BLOCKS] = _square(heights, U64(block * BLOCK), squares, to)
        for block in range(blocks):
            bound = reach[block] ** 2
            if bound == 0:
                continue
            start, at, i = U64(block * BLOCK), (block + BLOCKS) * BLOCK, block + BLOCKS
            _start(squares, U64(at), best)
            far = least[i] == FAR2  # saturated, until a search comes closer
            closest = min(min(least[i - 1], least[i]), least[i + 1])
            offset = 1
            while closest + offset * offset < bound and (offset == 1 or bound < (offset + WIDE) ** 2):
                _relax(squares, at, offset, best)
                bound = _farthest(best, above, start)
                far = False
                offset += STEP
            # The second blocks on either side are at least BLOCK + 1 columns away.
            if min(closest + offset * offset, min(least[i - 2], least[i + 2]) + (BLOCK + 1) ** 2) < bound:
                _search_all(squares, at, best)
                far = False
            part = weights[FAR2] * _sum(above, start) if far else _weigh(best, above, start, weights)
            high += part >> HALF
            low += part & LOWER
    return high, low
