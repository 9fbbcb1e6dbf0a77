"""The errors on the foreground in weighted F, each lowered to the mean of the errors around it where that is smaller.

The kernels are written as in `weighted`. `near` (h, w) is the vertical distance of each pixel to the foreground.
"""

import math

import numpy as np

from disbench.metrics.exact import HALF, LN_2, LOWER, PLACES, power_of_half
from disbench.metrics.kernels import inner_kernel, kernel

U8, U64, I32, I64, F64 = np.uint8, np.uint64, np.int32, np.int64, np.float64

TILE = 64  # columns whose errors are blurred together
EDGE = 3  # half of the 7 x 7 Gaussian
RING = 2 * EDGE + 1  # rows of errors that are blurred together, kept in a ring buffer
NEAR = 4  # a background pixel within EDGE rows and columns of the foreground is at most sqrt(18) away from it
SQUARES = (np.arange(-NEAR, NEAR + 1) ** 2).astype(U8)

# The 7 x 7 Gaussian of sigma 5 is the product of two of these vectors: centre, then 1, 2 and 3 pixels away.
_HALF = power_of_half(np.arange(4) ** 2 / (50 * LN_2)).tolist()
BLUR = tuple(share / (2 * math.fsum(_HALF) - 1) for share in _HALF)
# An error is below OFFSET, and their sum is a float whose last bit is one unit. So its bits, read as an integer, exceed
# those of OFFSET by the error in units.
OFFSET = F64(2.0 ** (52 - PLACES))
OFFSET_BITS = OFFSET.view(I64)
# Where a pixel lies in its tile. ANY: every pixel. LEFT, RIGHT: within EDGE of the tile on the left or right.
ANY, LEFT, RIGHT = U8(1), U8(2), U8(4)
SIDES = np.full(TILE, ANY)
SIDES[:EDGE] |= LEFT
SIDES[-EDGE:] |= RIGHT


@inner_kernel
def _byte_mask(condition):
    """Return 255 where the condition holds, otherwise 0."""
    return U8(U8(0) - U8(condition))


@inner_kernel
def _find_wrong(prediction, near, at, hi, size):
    """Return where in a tile the foreground is below hi: a sum of ANY, LEFT and RIGHT."""
    sides = U8(0)
    for x in range(size):
        wrong = U8(_byte_mask(near[at + x] == U8(0)) & _byte_mask(prediction[at + x] != hi))
        sides |= U8(wrong & SIDES[x])
    return sides


@inner_kernel
def _at_distance(distance, height, upper_height, upper, lower):
    """Return the level of the column's nearest foreground if it is at this distance, otherwise 0.

    Of two foreground pixels at the same distance the upper one counts.
    """
    is_upper = _byte_mask(upper_height == U8(0))
    level = U8(U8(upper & is_upper) | U8(lower & U8(~is_upper)))
    return U8(level & _byte_mask(height == distance))


@inner_kernel
def _take_levels(prediction, near, rows, at, to, size, levels, squares):
    """Fill in the level and the squared distance of the nearest foreground pixel of each column.

    The level is 0 if that pixel is more than NEAR away. `rows` are the offsets in prediction and near at which the row
    itself starts, then the rows 1 to NEAR above it, then the rows 1 to NEAR below it.
    """
    here = rows[0] + at
    a1, a2, a3, a4 = rows[1] + at, rows[2] + at, rows[3] + at, rows[4] + at
    b1, b2, b3, b4 = rows[5] + at, rows[6] + at, rows[7] + at, rows[8] + at
    for x in range(size):
        height = near[here + x]
        level = U8(prediction[here + x] & _byte_mask(height == U8(0)))
        level |= _at_distance(U8(1), height, near[a1 + x], prediction[a1 + x], prediction[b1 + x])
        level |= _at_distance(U8(2), height, near[a2 + x], prediction[a2 + x], prediction[b2 + x])
        level |= _at_distance(U8(3), height, near[a3 + x], prediction[a3 + x], prediction[b3 + x])
        level |= _at_distance(U8(4), height, near[a4 + x], prediction[a4 + x], prediction[b4 + x])
        levels[to + x] = level
        short = min(height, U8(NEAR + 1))
        squares[to + x] = U8(short * short)


@inner_kernel
def _nearest_errors(levels, squares, at, hi, errors, to):
    """Fill in the errors of a tile: hi minus the level of the nearest foreground pixel.

    An error is arbitrary where that pixel is more than NEAR away. Among pixels at the same distance, the one with the
    smallest column counts, then the one with the smallest row, as in SciPy. Hence the upper pixel of a column, and
    columns from left to right with a strict comparison.
    """
    for x in range(U64(TILE)):
        best, level = U8(255), U8(0)
        for i in range(U64(2 * NEAR + 1)):
            column = at + x + i - U64(NEAR)
            candidate = U8(squares[column] + SQUARES[i])
            closer = _byte_mask(candidate < best)
            best = min(best, candidate)
            level = U8(U8(levels[column] & closer) | U8(level & U8(~closer)))
        errors[to + x] = U8(hi - level)


@inner_kernel
def _blur_columns(errors, rows, at, blurred):
    """Blur a tile and NEAR columns on either side vertically. `rows` are the offsets of the rows of errors."""
    r0, r1, r2, r3 = rows[0] + at, rows[1] + at, rows[2] + at, rows[3] + at
    r4, r5, r6 = rows[4] + at, rows[5] + at, rows[6] + at
    for x in range(U64(TILE + 2 * NEAR)):
        centre = F64(I32(errors[r3 + x]))
        first = F64(I32(I32(errors[r2 + x]) + I32(errors[r4 + x])))
        second = F64(I32(I32(errors[r1 + x]) + I32(errors[r5 + x])))
        third = F64(I32(I32(errors[r0 + x]) + I32(errors[r6 + x])))
        blurred[x] = BLUR[0] * centre + BLUR[1] * first + BLUR[2] * second + BLUR[3] * third


@inner_kernel
def _keep_foreground(errors, at, near, start, size, sharp):
    """Copy the errors of a tile, with 0 outside of the foreground and of the image."""
    for x in range(size):
        sharp[x] = U8(errors[at + x] & _byte_mask(near[start + x] == U8(0)))
    for x in range(size, U64(TILE)):
        sharp[x] = U8(0)


@inner_kernel
def _smaller_errors(blurred, sharp):
    """Blur a tile horizontally, and return the sum of the smaller of error and blurred error, in units.

    Each error is rounded to units of 2^-44. The sum is at most TILE * 255 / 2^-44: below 2^58, so it fits into int64.
    """
    total = I64(0)
    for x in range(U64(TILE)):
        i = x + U64(NEAR)
        first = blurred[i - U64(1)] + blurred[i + U64(1)]
        second = blurred[i - U64(2)] + blurred[i + U64(2)]
        third = blurred[i - U64(3)] + blurred[i + U64(3)]
        smoothed = BLUR[0] * blurred[i] + BLUR[1] * first + BLUR[2] * second + BLUR[3] * third
        total += F64(min(smoothed, F64(sharp[x])) + OFFSET).view(I64) - OFFSET_BITS
    return total


@inner_kernel
def _mark_tiles(prediction, near, hi, width, wrong, reached):
    """Mark the tiles that have foreground below hi, bool (h, tiles), and those that have any within EDGE columns."""
    height, tiles = wrong.shape
    for y in range(height):
        for tile in range(tiles):
            size = U64(min(TILE, width - tile * TILE))
            sides = _find_wrong(prediction, near, U64(y * width + tile * TILE), hi, size)
            if sides != U8(0):
                wrong[y, tile] = reached[y, tile] = True
                if tile > 0 and sides & LEFT:
                    reached[y, tile - 1] = True
                if tile + 1 < tiles and sides & RIGHT:
                    reached[y, tile + 1] = True


@inner_kernel
def _rows_around(y, height, width, rows):
    """Fill in the offsets of the rows around y, as _take_levels needs them."""
    rows[0] = U64(y * width)
    for distance in range(1, NEAR + 1):
        above, below = y - distance, y + distance
        # If one of the two rows does not exist, the nearest pixel at this distance can only be in the other.
        if above < 0:
            above = min(below, height - 1)
        elif below >= height:
            below = above
        rows[distance] = U64(above * width)
        rows[NEAR + distance] = U64(min(below, height - 1) * width)


def foreground_error(prediction: np.ndarray, near: np.ndarray, hi: int) -> tuple[int, int]:
    """Return the sum over the foreground of min(E, blurred E), E = hi - prediction, as divide_sum() takes it."""
    height, width = prediction.shape
    wrong, reached = np.zeros((2, height, -(-width // TILE)), np.bool_)
    until = np.full(wrong.shape[1], -1)
    return _foreground_error(prediction.reshape(-1), near.reshape(-1), width, U8(hi), wrong, reached, until)


@kernel
def _foreground_error(prediction, near, width, hi, wrong, reached, until):
    """Return the upper and the lower part of the sum.

    Args:
        prediction: the map, flat.
        near: vertical distances to the foreground, flat.
        width: columns of both.
        hi: the level of the map that stands for 1.
        wrong: the first mark of _mark_tiles(), bool (h, tiles), False.
        reached: the second one.
        until: the last row for which the errors of each tile are needed: -1, int64 (tiles,).

    The blur takes a background pixel to have the error of its nearest foreground pixel, and pixels outside of the
    image to have none. It matters only at foreground pixels with an error. So only tiles that have any are blurred,
    from the errors of tiles within EDGE. One pass over the rows computes errors EDGE rows ahead of the blur.
    """
    height, tiles = wrong.shape
    _mark_tiles(prediction, near, hi, width, wrong, reached)
    line = (tiles + 2) * TILE  # a row with a tile of margin on either side
    levels, squares = np.zeros(line, U8), np.full(line, U8((NEAR + 1) ** 2))
    errors = np.zeros(RING * line, U8)
    blurred, sharp = np.empty(TILE + 2 * NEAR), np.empty(TILE, U8)
    around, ring = np.empty(2 * NEAR + 1, U64), np.empty(RING, U64)
    high, low = U64(0), U64(0)
    for y in range(-EDGE, height + EDGE):
        if y + EDGE < height:
            for tile in range(tiles):
                if reached[y + EDGE, tile]:
                    until[tile] = y + 2 * EDGE
        if y < 0:
            continue
        latest = y % RING * line + TILE
        if y >= height:
            errors[latest : latest + width] = U8(0)
        else:
            first, last = tiles, -1
            for tile in range(tiles):
                if until[tile] >= y:
                    first, last = min(first, tile), tile
            if last >= 0:
                first, stop = max(0, first - 1), min(width, (last + 2) * TILE)
                _rows_around(y, height, width, around)
                at = U64(first * TILE)
                _take_levels(prediction, near, around, at, at + U64(TILE), U64(stop) - at, levels, squares)
            for tile in range(first, last + 1):
                if until[tile] >= y:
                    at = tile * TILE
                    _nearest_errors(levels, squares, U64(at + TILE), hi, errors, U64(latest + at))
            errors[latest + width : latest + tiles * TILE] = U8(0)
        centre = y - EDGE
        if centre < 0:
            continue
        for i in range(RING):
            ring[i] = U64((centre - EDGE + i) % RING * line)
        for tile in range(tiles):
            if wrong[centre, tile]:
                at = tile * TILE
                size = U64(min(TILE, width - at))
                _blur_columns(errors, ring, U64(at + TILE - NEAR), blurred)
                _keep_foreground(errors, ring[EDGE] + U64(at + TILE), near, U64(centre * width + at), size, sharp)
                part = U64(_smaller_errors(blurred, sharp))
                high += part >> HALF
                low += part & LOWER
    return high, low
