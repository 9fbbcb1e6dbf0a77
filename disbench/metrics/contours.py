"""Contours of a binary image: Suzuki and Abe, Topological structural analysis of digitized binary images by border
following, CVGIP 1985, algorithm 1; point by point those of OpenCV's findContours with CHAIN_APPROX_NONE.

It is here, and not OpenCV's, since the errors of a map have thousands of small contours, each a Python object there.
"""

import numpy as np

from disbench.metrics.kernels import kernel

ONE = np.uint64(1)
# Masks of a sum of bits in parallel.
PAIRS, FOURS, EIGHTS, SUM = map(np.uint64, (0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F, 2**64 // 255))
# Neighbours from the right on, against the clock: x, y.
AROUND = np.array([(1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1)])


def contours(words: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Borders of the 8-connected regions of a packed image of that width, uint64 (h, words).

    points: int32 (n, 2), x and y; spans: int64 (m, 2), start and stop of each contour in them; outer: int64 (m,), which
    contour is the outer one of the same region, for a hole; for an outer one, itself. Before a region's holes, which
    come in the reverse of the order in which they are found, comes its outer contour.
    """
    # In a frame of zeros: 0 is background, 1 is a pixel on no border so far, other numbers are the border's, negative
    # where the pixel on its right is known to be background.
    marks = np.zeros((words.shape[0] + 2, width + 2), np.int32)
    points, stops, outer = _trace(words, marks.reshape(-1), width + 2, AROUND @ (1, width + 2), AROUND.astype(np.int32))
    spans = np.stack([np.append(0, stops[:-1]), stops], 1) if stops.size else np.empty((0, 2), np.int64)
    hole = outer != np.arange(outer.size)
    order = np.concatenate([np.flatnonzero(~hole), np.flatnonzero(hole)[::-1]])
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    return points, spans[order], place[outer[order]]


@kernel
def _index(bit):
    """Of a word with one bit."""
    bit -= ONE
    bit -= bit >> ONE & PAIRS
    bit = (bit & FOURS) + (bit >> np.uint64(2) & FOURS)
    bit = bit + (bit >> np.uint64(4)) & EIGHTS
    return np.int64(bit * SUM >> np.uint64(56))


@kernel
def _unpack(words, marks, stride):
    for y in range(words.shape[0]):
        for k in range(words.shape[1]):
            word, at = words[y, k], (y + 1) * stride + 1 + 64 * k
            while word != np.uint64(0):
                bit = word & (~word + ONE)
                marks[at + _index(bit)] = 1
                word ^= bit


@kernel
def _longer(array):
    longer = np.empty((2 * len(array), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


@kernel
def _trace(words, marks, stride, steps, around):
    _unpack(words, marks, stride)
    points, count = np.empty((1024, 2), np.int32), 0
    stops, outer, borders = np.empty(256, np.int64), np.empty(256, np.int64), 0
    for y in range(words.shape[0]):
        end = np.uint64(0)
        for k in range(words.shape[1]):
            word, start = words[y, k], (y + 1) * stride + 1 + 64 * k
            # The pixels behind the end of a run of foreground, then those that start one.
            changes = word ^ (word << ONE | end)
            end = word >> np.uint64(63)
            while changes != np.uint64(0):
                bit = changes & (~changes + ONE)
                changes ^= bit
                at = start + _index(bit)
                mark, before = marks[at], marks[at - 1]
                if mark == 1:
                    first, search, region = at, 4, borders
                elif mark == 0 and before >= 1:
                    first, search = at - 1, 0
                    on = first  # a run of foreground starts on a border
                    while marks[on] == 1:
                        on -= 1
                    region = outer[abs(marks[on]) - 2]
                else:
                    continue
                if borders == len(stops):
                    stops, outer = _longer(stops), _longer(outer)
                points, count = _follow(marks, first, search, borders + 2, stride, steps, around, points, count)
                stops[borders], outer[borders] = count, region
                borders += 1
    return points[:count], stops[:borders], outer[:borders]


@kernel
def _follow(marks, first, search, border, stride, steps, around, points, count):
    """Mark a border and append its points; `search` is the direction of the background pixel beside the first one."""
    x, y = np.int32(first % stride - 1), np.int32(first // stride - 1)
    direction = search
    while True:
        direction = (direction - 1) & 7
        if direction == search or marks[first + steps[direction]] != 0:
            break
    if count == len(points):
        points = _longer(points)
    if direction == search:  # a pixel by itself
        marks[first] = -border
        points[count, 0], points[count, 1] = x, y
        return points, count + 1
    last, here = first + steps[direction], first
    while True:
        while True:
            direction += 1
            ahead = here + steps[direction & 7]
            if marks[ahead] != 0:
                break
        if direction > 8:  # the pixel on the right was passed over
            marks[here] = -border
        elif marks[here] == 1:
            marks[here] = border
        direction &= 7
        if count == len(points):
            points = _longer(points)
        points[count, 0], points[count, 1] = x, y
        count += 1
        if ahead == first and here == last:
            return points, count
        x, y = x + around[direction, 0], y + around[direction, 1]
        here = ahead
        direction = (direction + 4) & 7
