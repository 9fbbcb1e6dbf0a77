"""Weighted F: Margolin, Zelnik-Manor and Tal, How to evaluate foreground maps?, CVPR 2014.

`near` (h, w) is the vertical distance to the foreground. The small loops become SIMD code because each writes one
row, selects by byte masks instead of branches, and casts every result back to the width of its array.
"""

import numpy as np

from disbench.metrics.curves import EPS
from disbench.metrics.kernels import kernel, summing

U8, U16 = np.uint8, np.uint16

# Distances saturate here: the weight of an error is then within 1.3e-11 of its limit 2, and the square, even with
# that of REACH added, fits into 16 bits.
FAR = 181
FAR2 = FAR * FAR
BLOCK = 256  # columns whose distances are searched together
REACH = 12  # columns to either side that are searched by brute force
EDGE = 3  # half of the 7 x 7 Gaussian
RING = 2 * EDGE + 1  # rows of errors that are blurred together
NEAR = 4  # a background pixel within EDGE rows and columns of the foreground is at most sqrt(18) away from it

# What an error on the background weighs, by squared distance to the foreground; 0 is the foreground.
IMPORTANCE = 2 - 0.5 ** (np.sqrt(np.arange(FAR**2 + 1)) / 5)
IMPORTANCE[0] = 0
# The 7 x 7 Gaussian of sigma 5 is the product of two of these: centre, then 1, 2 and 3 pixels off.
_HALF = np.exp(-(np.arange(4) ** 2) / 50)
BLUR = _HALF / (2 * _HALF.sum() - 1)


def weighted_errors(mask: np.ndarray, foreground: np.ndarray, lo: int, hi: int) -> tuple[int, float, float]:
    """Pixels of the foreground, and the sums of weighted errors on it and beside it, in 0..1 each.

    mask, foreground: uint8 (h, w), foreground 0 or 255
    lo, hi: the levels of the mask that stand for 0 and 1; none of its levels lies outside
    """
    truth = np.count_nonzero(foreground)
    if truth == 0:
        return 0, 0.0, 0.0
    near = vertical_distance(foreground)
    missed = foreground_error(mask, near, hi, BLUR) / (hi - lo)
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
def _square(near, squares):
    for x in range(squares.size):
        squares[x] = U16(U16(near[x]) * U16(near[x]))


@kernel
def _relax(best, left, right, square):
    """Squared distances by way of the columns some offset to the left and to the right; square is the offset's."""
    for x in range(best.size):
        best[x] = min(best[x], U16(min(left[x], right[x]) + square))


@kernel
def _farthest(distance, mask, lo):
    """The greatest distance of a pixel above level lo."""
    greatest = U16(0)
    for x in range(distance.size):
        above = U16(U16(0) - U16(mask[x] > lo))
        greatest = max(greatest, U16(distance[x] & above))
    return np.int64(greatest)


@summing
def _weigh(best, mask, lo, weights):
    total = 0.0
    for x in range(best.size):
        total += np.float64(U8(mask[x] - lo)) * weights[best[x]]
    return total


@kernel
def _envelope(squares, start, stop, sites, since):
    """Lower envelope of the parabolas (x - u)^2 + squares[u] over columns start..stop: how many there are in it.

    Fills sites, the columns u, and since, the first x where each is the lowest (Meijster, Roerdink and Hesselink,
    A general algorithm for computing distance transforms in linear time, 2000).
    """
    count = 0
    for u in range(start, stop):
        height = np.int64(squares[u])
        if height >= FAR2:
            continue
        while count > 0:
            at, site = since[count - 1], sites[count - 1]
            if (at - site) ** 2 + np.int64(squares[site]) <= (at - u) ** 2 + height:
                break
            count -= 1
        first = start
        if count > 0:
            site = sites[count - 1]
            first = 1 + (u * u - site * site + height - np.int64(squares[site])) // (2 * (u - site))
        if first < stop:
            sites[count] = u
            since[count] = first
            count += 1
    return count


@kernel
def _read_envelope(squares, sites, since, count, start, best):
    """Squared distances best of the columns from start on, up to FAR2."""
    i = count - 1
    for x in range(start + best.size - 1, start - 1, -1):
        while i > 0 and since[i] > x:
            i -= 1
        square = FAR2
        if i >= 0:
            square = min((x - sites[i]) ** 2 + np.int64(squares[sites[i]]), FAR2)
        best[x - start] = U16(square)


@kernel
def background_error(mask, near, lo, weights):
    """Sum of (mask - lo) * weights[squared distance to the foreground], weights[0] = 0 being the foreground itself.

    A distance matters only where the map is above lo. Blocks of columns are searched by brute force, offset by
    offset, until no such pixel could come closer; where that needs more than REACH, the row's envelope decides.
    """
    height, width = mask.shape
    lo = U8(lo)
    padded = np.full(width + 2 * REACH, U16(FAR2))
    squares = padded[REACH : REACH + width]
    best = np.empty(width, U16)
    sites, since = np.empty(width, np.int64), np.empty(width, np.int64)
    unsolved = np.empty(width // BLOCK + 1, np.int64)
    total = 0.0
    for y in range(height):
        squared = False
        left = 0
        for start in range(0, width, BLOCK):
            stop = min(width, start + BLOCK)
            pixels, found = mask[y, start:stop], best[start:stop]
            bound = _farthest(near[y, start:stop], pixels, lo) ** 2
            if bound == 0:
                continue
            if not squared:
                _square(near[y], squares)
                squared = True
            found[:] = squares[start:stop]
            offset = 1
            while offset * offset < bound and offset <= REACH:
                for _ in range(3):
                    a, b = start + REACH - offset, start + REACH + offset
                    _relax(found, padded[a : a + found.size], padded[b : b + found.size], U16(offset * offset))
                    offset += 1
                bound = _farthest(found, pixels, lo)
            if offset * offset < bound:
                unsolved[left] = start
                left += 1
            else:
                total += _weigh(found, pixels, lo, weights)
        if left == 0:
            continue
        first, last = max(0, unsolved[0] - FAR), min(width, unsolved[left - 1] + BLOCK + FAR)
        count = _envelope(squares, first, last, sites, since)
        for start in unsolved[:left]:
            stop = min(width, start + BLOCK)
            _read_envelope(squares, sites, since, count, start, best[start:stop])
            total += _weigh(best[start:stop], mask[y, start:stop], lo, weights)
    return total


@kernel
def _is_wrong(mask, near, hi):
    wrong = U8(0)
    for x in range(mask.size):
        wrong |= U8(U8(near[x] == U8(0)) & U8(mask[x] != hi))
    return wrong != U8(0)


@kernel
def _subtract_from(hi, row):
    for x in range(row.size):
        row[x] = U8(hi - row[x])


@kernel
def _take_inside(near, mask, level):
    for x in range(level.size):
        level[x] = U8(mask[x] & U8(U8(0) - U8(near[x] == U8(0))))


@kernel
def _take_beside(distance, near, near_above, above, below, level):
    """Level of the foreground pixel `distance` rows above, or else below, where that is the nearest of the column."""
    for x in range(level.size):
        here = U8(U8(0) - U8(near[x] == distance))
        upper = U8(U8(0) - U8(near_above[x] == U8(0)))
        level[x] |= U8(here & U8(U8(above[x] & upper) | U8(below[x] & U8(~upper))))


@kernel
def _short_square(near, squares):
    """Squared vertical distance, where NEAR + 1 stands for anything further."""
    for x in range(squares.size):
        short = min(near[x], U8(NEAR + 1))
        squares[x] = U8(short * short)


@kernel
def _nearer(squares, level, square, best, found):
    """Where the column at some offset, with this square, offers a nearer pixel: its distance and its level."""
    for x in range(best.size):
        candidate = U8(squares[x] + square)
        closer = U8(U8(0) - U8(candidate < best[x]))
        best[x] = min(best[x], candidate)
        found[x] = U8(U8(level[x] & closer) | U8(found[x] & U8(~closer)))


@kernel
def _nearest_error(mask, near, y, hi, levels, squares, best, error):
    """hi minus the level of the nearest foreground pixel of row y; arbitrary where that is over NEAR away.

    Of several at the same distance it is the one with the smallest column, then the smallest row, as with SciPy:
    so the upper one of a column, and columns from left to right with a strict comparison.
    levels and squares are scratch rows with a margin of NEAR columns, that of squares too far to matter.
    """
    height, width = mask.shape
    level, row = levels[NEAR : NEAR + width], near[y]
    _take_inside(row, mask[y], level)
    for distance in range(1, NEAR + 1):
        above, below = y - distance, y + distance
        # Where one of the two rows does not exist, a pixel at this distance has its nearest one in the other.
        if above < 0:
            above = below
        elif below >= height:
            below = above
        if above < height:
            _take_beside(U8(distance), row, near[above], mask[above], mask[below], level)
    _short_square(row, squares[NEAR : NEAR + width])
    best[:] = U8(255)
    for offset in range(2 * NEAR + 1):
        square = U8((offset - NEAR) ** 2)
        _nearer(squares[offset : offset + width], levels[offset : offset + width], square, best, error)
    _subtract_from(hi, error)


@summing
def _blur_columns(errors, last, blur, blurred):
    """Vertical half of the Gaussian over the RING rows that end with row `last`."""
    row0, row1, row2 = errors[(last - 6) % RING], errors[(last - 5) % RING], errors[(last - 4) % RING]
    row3, row4, row5 = errors[(last - 3) % RING], errors[(last - 2) % RING], errors[(last - 1) % RING]
    row6 = errors[last % RING]
    for x in range(blurred.size):
        one, two, three = np.int32(row2[x]) + row4[x], np.int32(row1[x]) + row5[x], np.int32(row0[x]) + row6[x]
        blurred[x] = blur[0] * row3[x] + blur[1] * one + blur[2] * two + blur[3] * three


@summing
def _smaller_errors(blurred, blur, error, near):
    """Sum over the foreground of the error or the blurred error, whichever is smaller; horizontal half of the blur."""
    width = error.size
    column0, column1, column2 = blurred[0:width], blurred[1 : width + 1], blurred[2 : width + 2]
    column3, column4, column5 = blurred[3 : width + 3], blurred[4 : width + 4], blurred[5 : width + 5]
    column6 = blurred[6 : width + 6]
    total = 0.0
    for x in range(width):
        one, two, three = column2[x] + column4[x], column1[x] + column5[x], column0[x] + column6[x]
        smoothed = blur[0] * column3[x] + blur[1] * one + blur[2] * two + blur[3] * three
        total += min(smoothed, np.float64(error[x])) if near[x] == U8(0) else 0.0
    return total


@kernel
def foreground_error(mask, near, hi, blur):
    """Sum over the foreground of min(E, blurred E), E = hi - mask.

    Blurring takes, for a background pixel, the error of its nearest foreground pixel, and 0 outside the image. It
    matters only at foreground pixels that are wrong, so only rows with any are blurred, from those within EDGE.
    """
    height, width = mask.shape
    hi = U8(hi)
    wrong = np.empty(height, np.bool_)
    for y in range(height):
        wrong[y] = _is_wrong(mask[y], near[y], hi)
    levels, squares = np.zeros(width + 2 * NEAR, U8), np.full(width + 2 * NEAR, U8(FAR))
    best = np.empty(width, U8)
    errors = np.zeros((RING, width + 2 * EDGE), U8)
    blurred = np.empty(width + 2 * EDGE)
    total = 0.0
    for y in range(height + EDGE):
        latest = errors[y % RING, EDGE : EDGE + width]
        if y >= height:
            latest[:] = U8(0)
        elif wrong[max(0, y - EDGE) : y + EDGE + 1].any():
            _nearest_error(mask, near, y, hi, levels, squares, best, latest)
        centre = y - EDGE
        if centre >= 0 and wrong[centre]:
            _blur_columns(errors, y, blur, blurred)
            error = errors[centre % RING, EDGE : EDGE + width]
            total += _smaller_errors(blurred, blur, error, near[centre])
    return total
