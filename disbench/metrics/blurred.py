"""The errors of the foreground in weighted F, each lowered to the mean of the errors around it where that is smaller.

Kernels as in `weighted`; `near` (h, w) is the vertical distance to the foreground.
"""

import numpy as np

from disbench.metrics.kernels import kernel, summing

U8, U64, I32, F64 = np.uint8, np.uint64, np.int32, np.float64

TILE = 64  # columns whose errors are blurred together
EDGE = 3  # half of the 7 x 7 Gaussian
RING = 2 * EDGE + 1  # rows of errors that are blurred together
NEAR = 4  # a background pixel within EDGE rows and columns of the foreground is at most sqrt(18) away from it
SQUARES = (np.arange(-NEAR, NEAR + 1) ** 2).astype(U8)

# The 7 x 7 Gaussian of sigma 5 is the product of two of these: centre, then 1, 2 and 3 pixels off.
_HALF = np.exp(-(np.arange(4) ** 2) / 50)
BLUR = tuple((_HALF / (2 * _HALF.sum() - 1)).tolist())
# Where in a tile a pixel lies: ANY of them, one that the tile to the left, or that to the right, has within EDGE.
ANY, LEFT, RIGHT = U8(1), U8(2), U8(4)
SIDES = np.full(TILE, ANY)
SIDES[:EDGE] |= LEFT
SIDES[-EDGE:] |= RIGHT


@kernel
def _where(condition):
    """A byte mask."""
    return U8(U8(0) - U8(condition))


@kernel
def _find_wrong(mask, near, at, hi, size):
    """Where in a tile foreground is below hi: ANY, LEFT and RIGHT."""
    found = U8(0)
    for x in range(size):
        wrong = U8(_where(near[at + x] == U8(0)) & _where(mask[at + x] != hi))
        found |= U8(wrong & SIDES[x])
    return found


@kernel
def _at_distance(distance, height, upper_height, upper, lower):
    """Where the nearest foreground of the column is at this distance, its level; the upper one of two."""
    is_upper = _where(upper_height == U8(0))
    level = U8(U8(upper & is_upper) | U8(lower & U8(~is_upper)))
    return U8(level & _where(height == distance))


@kernel
def _take_levels(mask, near, rows, at, to, size, levels, squares):
    """Level of the nearest foreground pixel of each column, 0 if over NEAR away, and its squared distance.

    rows: where in mask and near the row itself starts, then those 1 to NEAR above, then those 1 to NEAR below.
    """
    here = rows[0] + at
    a1, a2, a3, a4 = rows[1] + at, rows[2] + at, rows[3] + at, rows[4] + at
    b1, b2, b3, b4 = rows[5] + at, rows[6] + at, rows[7] + at, rows[8] + at
    for x in range(size):
        height = near[here + x]
        level = U8(mask[here + x] & _where(height == U8(0)))
        level |= _at_distance(U8(1), height, near[a1 + x], mask[a1 + x], mask[b1 + x])
        level |= _at_distance(U8(2), height, near[a2 + x], mask[a2 + x], mask[b2 + x])
        level |= _at_distance(U8(3), height, near[a3 + x], mask[a3 + x], mask[b3 + x])
        level |= _at_distance(U8(4), height, near[a4 + x], mask[a4 + x], mask[b4 + x])
        levels[to + x] = level
        short = min(height, U8(NEAR + 1))
        squares[to + x] = U8(short * short)


@kernel
def _nearest_errors(levels, squares, at, hi, errors, to):
    """hi minus the level of the nearest foreground pixel, of a tile; arbitrary where that is over NEAR away.

    Of several at the same distance it is the one with the smallest column, then the smallest row, as with SciPy:
    so the upper one of a column, and columns from left to right with a strict comparison.
    """
    for x in range(U64(TILE)):
        best, found = U8(255), U8(0)
        for i in range(U64(2 * NEAR + 1)):
            column = at + x + i - U64(NEAR)
            candidate = U8(squares[column] + SQUARES[i])
            closer = _where(candidate < best)
            best = min(best, candidate)
            found = U8(U8(levels[column] & closer) | U8(found & U8(~closer)))
        errors[to + x] = U8(hi - found)


@summing
def _blur_columns(errors, rows, at, blurred):
    """Vertical half of the Gaussian, of a tile and NEAR columns to either side; rows: where those of errors start."""
    r0, r1, r2, r3 = rows[0] + at, rows[1] + at, rows[2] + at, rows[3] + at
    r4, r5, r6 = rows[4] + at, rows[5] + at, rows[6] + at
    for x in range(U64(TILE + 2 * NEAR)):
        none = F64(I32(errors[r3 + x]))
        one = F64(I32(I32(errors[r2 + x]) + I32(errors[r4 + x])))
        two = F64(I32(I32(errors[r1 + x]) + I32(errors[r5 + x])))
        three = F64(I32(I32(errors[r0 + x]) + I32(errors[r6 + x])))
        blurred[x] = BLUR[0] * none + BLUR[1] * one + BLUR[2] * two + BLUR[3] * three


@kernel
def _keep_foreground(errors, at, near, start, size, own):
    for x in range(size):
        own[x] = U8(errors[at + x] & _where(near[start + x] == U8(0)))
    for x in range(size, U64(TILE)):
        own[x] = U8(0)


@summing
def _smaller_errors(blurred, own):
    """Sum over a tile of the error or the blurred error, whichever is smaller; horizontal half of the blur."""
    total = 0.0
    for x in range(U64(TILE)):
        i = x + U64(NEAR)
        one = blurred[i - U64(1)] + blurred[i + U64(1)]
        two = blurred[i - U64(2)] + blurred[i + U64(2)]
        three = blurred[i - U64(3)] + blurred[i + U64(3)]
        smoothed = BLUR[0] * blurred[i] + BLUR[1] * one + BLUR[2] * two + BLUR[3] * three
        total += min(smoothed, F64(own[x]))
    return total


@kernel
def _wrong_tiles(mask, near, hi, height, width):
    """Tiles with foreground below hi, bool (h, tiles), and tiles with any such within EDGE columns."""
    tiles = (width + TILE - 1) // TILE
    wrong, beside = np.zeros((height, tiles), np.bool_), np.zeros((height, tiles), np.bool_)
    for y in range(height):
        for tile in range(tiles):
            size = U64(min(TILE, width - tile * TILE))
            found = _find_wrong(mask, near, U64(y * width + tile * TILE), hi, size)
            if found != U8(0):
                wrong[y, tile] = beside[y, tile] = True
                if tile > 0 and found & LEFT:
                    beside[y, tile - 1] = True
                if tile + 1 < tiles and found & RIGHT:
                    beside[y, tile + 1] = True
    return wrong, beside


@kernel
def _rows_around(y, height, width, rows):
    """As _take_levels needs them."""
    rows[0] = U64(y * width)
    for distance in range(1, NEAR + 1):
        above, below = y - distance, y + distance
        # Where one of the two rows does not exist, a pixel at this distance has its nearest one in the other.
        if above < 0:
            above = min(below, height - 1)
        elif below >= height:
            below = above
        rows[distance] = U64(above * width)
        rows[NEAR + distance] = U64(min(below, height - 1) * width)


@kernel
def foreground_error(mask, near, hi):
    """Sum over the foreground of min(E, blurred E), E = hi - mask.

    Blurring takes, for a background pixel, the error of its nearest foreground pixel, and 0 outside the image. It
    matters only at foreground pixels that are wrong, so only tiles with any are blurred, from those within EDGE.
    """
    height, width = mask.shape
    mask, near, hi = mask.reshape(-1), near.reshape(-1), U8(hi)
    wrong, beside = _wrong_tiles(mask, near, hi, height, width)
    tiles = wrong.shape[1]
    line = (tiles + 2) * TILE  # a row with a tile of margin on either side
    levels, squares = np.zeros(line, U8), np.full(line, U8((NEAR + 1) ** 2))
    errors = np.zeros(RING * line, U8)
    blurred, own = np.empty(TILE + 2 * NEAR), np.empty(TILE, U8)
    around, ring = np.empty(2 * NEAR + 1, U64), np.empty(RING, U64)
    until = np.full(tiles, -1)  # the last row for which a tile's errors are needed
    total = 0.0
    for y in range(-EDGE, height + EDGE):
        if y + EDGE < height:
            for tile in range(tiles):
                if beside[y + EDGE, tile]:
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
                _take_levels(mask, near, around, at, at + U64(TILE), U64(stop) - at, levels, squares)
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
                _keep_foreground(errors, ring[EDGE] + U64(at + TILE), near, U64(centre * width + at), size, own)
                total += _smaller_errors(blurred, own)
    return total
