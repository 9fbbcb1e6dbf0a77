"""Contours of a binary image: Suzuki and Abe, Topological structural analysis of digitized binary images by border
following, CVGIP 1985, algorithm 1; point by point those of OpenCV's findContours with CHAIN_APPROX_NONE.

It is here, and not OpenCV's, since the errors of a map have thousands of small contours, each a Python object there.
All is kept in one bit per pixel, so that it stays in the processor's cache.
"""

import numpy as np

from disbench.metrics.kernels import kernel

ONE, LAST, NONE = np.uint64(1), np.uint64(63), np.uint64(0)
# Masks of a sum of bits in parallel.
PAIRS, FOURS, EIGHTS, SUM = map(np.uint64, (0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F, 2**64 // 255))
# Neighbours from the right on, against the clock: x, y. Bits 0 to 7 of a ring say which are foreground.
AROUND = np.array([(1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1)], np.int32)
# uint8 (8, 256): steps from a direction to the next foreground pixel, by ring.
STEPS = np.array(
    [[next((n for n in range(1, 9) if ring >> (start + n) % 8 & 1), 8) for ring in range(256)] for start in range(8)],
    np.uint8,
)


def contours(words: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Borders of the 8-connected regions of a packed image, uint64 (h, words).

    points: int32 (n, 2), x and y; spans: int64 (m, 2), start and stop of each contour in them; outer: int64 (m,), which
    contour is the outer one of the same region, for a hole; for an outer one, itself. Before a region's holes, which
    come in the reverse of the order in which they are found, comes its outer contour.
    """
    image = np.pad(words, 1)
    points, stops, outer = _trace(image.reshape(-1), image.view(np.uint8).reshape(-1), image.shape[1], AROUND, STEPS)
    spans = np.stack([np.append(0, stops[:-1]), stops], 1) if stops.size else np.empty((0, 2), np.int64)
    hole = outer != np.arange(outer.size)
    order = np.concatenate([np.flatnonzero(~hole), np.flatnonzero(hole)[::-1]])
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    return points, spans[order], place[outer[order]]


@kernel
def _count(word):
    word -= word >> ONE & PAIRS
    word = (word & FOURS) + (word >> np.uint64(2) & FOURS)
    word = word + (word >> np.uint64(4)) & EIGHTS
    return np.int64(word * SUM >> np.uint64(56))


@kernel
def _starts(image, at):
    """The pixels of a word that start a run of foreground."""
    return image[at] & ~(image[at] << ONE | image[at - 1] >> LAST)


@kernel
def _runs_before(image):
    """int32, by word: how many runs of foreground start before it."""
    runs = np.zeros(image.size, np.int32)
    for at in range(1, image.size - 1):
        runs[at + 1] = runs[at] + _count(_starts(image, at))
    return runs


@kernel
def _longer(array):
    longer = np.empty((2 * len(array), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


@kernel
def _trace(image, bits, stride, around, steps):
    """image: words of the image in a frame of zeros, bits: the same by bytes, stride: words of a row."""
    visited, passed = np.zeros_like(image), np.zeros_like(image)  # on a border; with known background on its right
    marks = visited.view(np.uint8), passed.view(np.uint8)
    runs = _runs_before(image)
    owners = np.empty(runs[-1] + 1, np.int32)  # a border through the first pixel of each run
    points, count = np.empty((1024, 2), np.int32), 0
    stops, outer, borders = np.empty(256, np.int64), np.empty(256, np.int64), 0
    for at in range(1, image.size):
        word = image[at]
        shifted = word << ONE | image[at - 1] >> LAST
        if word == shifted:
            continue
        starts, behind = word & ~shifted, shifted & ~word
        rest = ~NONE
        while True:
            # The pixels that start a run of foreground, and those behind one, where no border was followed so far.
            found = (starts & ~visited[at] | behind & ~(passed[at] << ONE | passed[at - 1] >> LAST)) & rest
            if found == NONE:
                break
            bit = found & (~found + ONE)
            rest = ~(bit | bit - ONE)
            first = 64 * at + _count(bit - ONE)
            if bit & starts:
                search, region = 4, borders
            else:
                first, search = first - 1, 0
                region = outer[owners[runs[at] + _count(starts & bit - ONE) - 1]]
            if borders == len(stops):
                stops, outer = _longer(stops), _longer(outer)
            points, count = _follow(
                image, bits, stride, around, steps, marks, runs, owners, first, search, borders, points, count
            )
            stops[borders], outer[borders] = count, region
            borders += 1
    return points[:count], stops[:borders], outer[:borders]


@kernel
def _three(bits, byte, shift):
    """Three neighbours in a row, which lie in two bytes at most."""
    return (np.int64(bits[byte]) | np.int64(bits[byte + 1]) << 8) >> shift & 7


@kernel
def _ring(bits, at, stride):
    """Which neighbours of the pixel at this bit are foreground, in the order of AROUND."""
    byte, shift = at - 1 >> 3, at - 1 & 7
    above, row, below = (
        _three(bits, byte - 8 * stride, shift),
        _three(bits, byte, shift),
        _three(bits, byte + 8 * stride, shift),
    )
    return row >> 2 | above >> 1 & 2 | above << 1 & 4 | (above & 1) << 3 | (row & 1) << 4 | below << 5


@kernel
def _follow(image, bits, stride, around, steps, marks, runs, owners, first, search, border, points, count):
    """Mark a border and append its points; `search` is the direction of the background pixel beside the first one."""
    visited, passed = marks
    x, y = np.int32(first % (64 * stride) - 64), np.int32(first // (64 * stride) - 1)
    ring = _ring(bits, first, stride)
    direction = search
    while True:
        direction = direction - 1 & 7
        if direction == search or ring >> direction & 1:
            break
    alone = direction == search
    here, last = first, first + around[direction, 0] + 64 * stride * around[direction, 1]
    while True:
        if count == len(points):
            points = _longer(points)
        points[count, 0], points[count, 1] = x, y
        count += 1
        byte, bit = here >> 3, np.uint8(1 << (here & 7))
        visited[byte] |= bit
        if not ring >> 4 & 1:
            word = here >> 6
            before = (ONE << np.uint64(here & 63)) - ONE
            owners[runs[word] + _count(_starts(image, word) & before)] = border
        if alone:
            passed[byte] |= bit
            return points, count
        direction += np.int64(steps[direction, ring])
        if direction > 8:  # the pixel on the right was passed over
            passed[byte] |= bit
        direction &= 7
        ahead = here + around[direction, 0] + 64 * stride * around[direction, 1]
        if ahead == first and here == last:
            return points, count
        x, y = x + around[direction, 0], y + around[direction, 1]
        here = ahead
        direction = direction + 4 & 7
        ring = _ring(bits, here, stride)
