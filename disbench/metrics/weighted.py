"""Weighted F: Margolin, Zelnik-Manor and Tal, How to evaluate foreground maps?, CVPR 2014.

`near` (h, w) is the vertical distance to the foreground. The small loops here and in `blurred` become SIMD code because
most have a fixed length, select by byte masks instead of branches, and cast every result back to the width of its
array. They take whole arrays, flat, with unsigned offsets: slices would be counted by reference, signed offsets checked
for wrapping.
"""

import numpy as np

from disbench.metrics.blurred import foreground_error
from disbench.metrics.kernels import kernel, summing
from disbench.metrics.thresholds import EPS

U8, U16, U64, F64 = np.uint8, np.uint16, np.uint64, np.float64

# Distances saturate here: the weight of an error is then within 1.3e-11 of its limit 2, and the square, even with
# another one added, fits into 16 bits.
FAR = 181
FAR2 = FAR * FAR
BLOCK = 128  # columns whose distances are searched together
BLOCKS = 2  # that lie within FAR to either side
STEP = 8  # offsets that are searched together; divides BLOCK

# What an error on the background weighs, by squared distance to the foreground; 0 is the foreground.
IMPORTANCE = 2 - 0.5 ** (np.sqrt(np.arange(FAR**2 + 1)) / 5)
IMPORTANCE[0] = 0


def weighted_errors(mask: np.ndarray, foreground: np.ndarray, lo: int, hi: int) -> tuple[int, float, float]:
    """Pixels of the foreground, and the sums of weighted errors on it and beside it, in 0..1 each.

    mask, foreground: uint8 (h, w), foreground 0 or 255
    lo, hi: the levels of the mask that stand for 0 and 1; none of its levels lies outside
    """
    truth = np.count_nonzero(foreground)
    if truth == 0:
        return 0, 0.0, 0.0
    near = vertical_distance(foreground)
    missed = foreground_error(mask, near, hi) / (hi - lo)
    spilled = background_error(mask, near, lo, IMPORTANCE) / (hi - lo)
    return truth, missed, spilled


def f_weighted(truth: int, missed: float, spilled: float, eps: float = EPS) -> float:
    """Weighted F with beta = 1 of what weighted_errors() gives, eps added to divisors; 0 without foreground."""
    if truth == 0:
        return 0.0
    hits = truth - missed
    recall, precision = hits / truth, hits / (hits + spilled + eps)
    return float(2 * recall * precision / (recall + precision + eps))


@kernel
def _where(condition):
    """A byte mask."""
    return U8(U8(0) - U8(condition))


@kernel
def _from_above(foreground, above, here):
    """Distance to the foreground at or above: 0 in it, else one more than in the row above, up to FAR."""
    for x in range(here.size):
        further = U8(min(above[x], U8(FAR - 1)) + U8(1))
        here[x] = U8(further & U8(~foreground[x]))


@kernel
def _from_below(below, here):
    for x in range(here.size):
        here[x] = min(here[x], U8(below[x] + U8(1)))


@kernel
def vertical_distance(foreground):
    """uint8 (h, w): rows to the nearest foreground pixel of the same column, up to FAR."""
    height, width = foreground.shape
    near = np.empty_like(foreground)
    _from_above(foreground[0], np.full(width, U8(FAR)), near[0])
    for y in range(1, height):
        _from_above(foreground[y], near[y - 1], near[y])
    for y in range(height - 2, -1, -1):
        _from_below(near[y + 1], near[y])
    return near


@kernel
def _load(mask, near, at, lo, start, size, above, heights):
    """Copy a block of a row: the levels above lo, and near. The greatest near of a pixel above lo is returned."""
    reach = U8(0)
    for x in range(size):
        level, height = U8(mask[at + x] - lo), near[at + x]
        above[start + x] = level
        heights[start + x] = height
        reach = max(reach, U8(height & _where(level != U8(0))))
    return np.int64(reach)


@kernel
def _square(heights, start, squares, to):
    """Squared distances of a block; the least of them is returned."""
    least = U16(FAR2)
    for x in range(U64(BLOCK)):
        square = U16(U16(heights[start + x]) * U16(heights[start + x]))
        squares[to + x] = square
        least = min(least, square)
    return np.int64(least)


@kernel
def _start(squares, at, best):
    for x in range(U64(BLOCK)):
        best[x] = squares[at + x]


@kernel
def _capped_square(offset):
    return U16(min(offset * offset, U64(FAR2)))


@kernel
def _relax(squares, at, offset, best):
    """Squared distances of a block by way of the columns to either side, offset to offset + STEP - 1 away."""
    left, right, offset = U64(at - offset), U64(at + offset), U64(offset)
    for x in range(U64(BLOCK)):
        found = best[x]
        for more in range(U64(STEP)):
            closer = min(squares[left + x - more], squares[right + x + more])
            found = min(found, U16(closer + _capped_square(offset + more)))
        best[x] = found


@kernel
def _farthest(best, above, start):
    """The greatest distance of a pixel above level lo."""
    greatest = U16(0)
    for x in range(U64(BLOCK)):
        needed = U16(U16(0) - U16(above[start + x] != U8(0)))
        greatest = max(greatest, U16(best[x] & needed))
    return np.int64(greatest)


@summing
def _weigh(best, above, start, weights):
    total = 0.0
    for x in range(U64(BLOCK)):
        total += F64(above[start + x]) * weights[U64(best[x])]
    return total


@kernel
def _sum(above, start):
    total = U16(0)
    for x in range(U64(BLOCK)):
        total += U16(above[start + x])
    return total


@kernel
def background_error(mask, near, lo, weights):
    """Sum of (mask - lo) * weights[squared distance to the foreground], weights[0] = 0 being the foreground itself.

    A distance matters only where the map is above lo. Blocks of columns are searched offset by offset, as long as the
    farthest such pixel of the block could come closer, judged by the least vertical distance of the blocks beside it.
    """
    height, width = mask.shape
    mask, near, lo = mask.reshape(-1), near.reshape(-1), U8(lo)
    blocks = (width + BLOCK - 1) // BLOCK
    above, heights = np.zeros(blocks * BLOCK, U8), np.full(blocks * BLOCK, U8(FAR))
    squares = np.full((blocks + 2 * BLOCKS) * BLOCK, U16(FAR2))
    least = np.full(blocks + 2 * BLOCKS, FAR2)
    reach = np.empty(blocks, np.int64)
    best = np.empty(BLOCK, U16)
    total = 0.0
    for y in range(height):
        for block in range(blocks):
            start = block * BLOCK
            size = U64(min(BLOCK, width - start))
            reach[block] = _load(mask, near, U64(y * width + start), lo, U64(start), size, above, heights)
        if not reach.any():
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
            far = least[i] == FAR2
            for beside in range(BLOCKS):
                # An offset of beside blocks and 1 to BLOCK columns leads into two blocks on either side.
                closest = min(least[i - beside - 1], least[i - beside], least[i + beside], least[i + beside + 1])
                offset = beside * BLOCK + 1
                while offset <= (beside + 1) * BLOCK and closest + offset * offset < bound:
                    _relax(squares, at, offset, best)
                    bound = _farthest(best, above, start)
                    far = False
                    offset += STEP
            total += weights[FAR2] * _sum(above, start) if far else _weigh(best, above, start, weights)
    return total
