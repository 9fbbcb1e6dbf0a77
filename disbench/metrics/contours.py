"""Contours of a binary image, point by point those of OpenCV's findContours with CHAIN_APPROX_NONE.

Suzuki and Abe, Topological structural analysis of digitized binary images by border following, CVGIP 1985, algorithm 1.
The errors of a map have thousands of small contours, and OpenCV makes a Python object of each. This implementation
returns them in a few arrays. All images have one bit per pixel, so that they fit into the processor's cache.
"""

import numpy as np

from disbench.metrics.kernels import inner_kernel, kernel

ONE, LAST, NONE = np.uint64(1), np.uint64(63), np.uint64(0)
# Masks and factor of a parallel sum of bits.
PAIRS, FOURS, EIGHTS, SUM = map(np.uint64, (0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F, 2**64 // 255))
# Offsets (x, y) of the neighbours, anticlockwise from the right. Bits 0 to 7 of a ring say which are foreground.
AROUND = np.array([(1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1)], np.int32)


def _steps_to_foreground(direction: int, ring: int) -> int:
    """Return the steps from a direction to the next foreground pixel of a ring, 1 to 8."""
    for steps in range(1, 8):
        if ring >> (direction + steps) % 8 & 1:
            return steps
    return 8


# uint8 (8, 256), by direction and ring.
STEPS = np.array([[_steps_to_foreground(start, ring) for ring in range(256)] for start in range(8)], np.uint8)


def contours(words: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trace the borders of the 8-connected regions of a packed image.

    Args:
        words: the image, uint64 (h, words), packed by disbench.metrics.bits.

    Returns:
        points: x and y of the contour points, int32 (n, 2).
        spans: start and stop of each contour in the points, int64 (m, 2). Outer contours come first, then holes in
            the reverse of the order in which they are met.
        outer: index of the outer contour of the same region, int64 (m,). For an outer contour, its own index.
    """
    image = np.pad(words, 1)
    points, stops, outer = _trace(image.reshape(-1), image.view(np.uint8).reshape(-1), image.shape[1], AROUND, STEPS)
    spans = np.stack([np.append(0, stops[:-1]), stops], 1) if stops.size else np.empty((0, 2), np.int64)
    is_hole = outer != np.arange(outer.size)
    order = np.concatenate([np.flatnonzero(~is_hole), np.flatnonzero(is_hole)[::-1]])
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    return points, spans[order], place[outer[order]]


@inner_kernel
def _count(word):
    """Count the bits of a word."""
    word -= word >> ONE & PAIRS
    word = (word & FOURS) + (word >> np.uint64(2) & FOURS)
    word = word + (word >> np.uint64(4)) & EIGHTS
    return np.int64(word * SUM >> np.uint64(56))


@inner_kernel
def _starts(image, at):
    """Return the pixels of a word that start a run of foreground."""
    return image[at] & ~(image[at] << ONE | image[at - 1] >> LAST)


@inner_kernel
def _runs_before(image):
    """Return how many runs of foreground start before each word, int32."""
    runs = np.zeros(image.size, np.int32)
    for at in range(1, image.size - 1):
        runs[at + 1] = runs[at] + _count(_starts(image, at))
    return runs


@inner_kernel
def _longer(array):
    """Copy an array into one of twice the length."""
    longer = np.empty((2 * len(array), *array.shape[1:]), array.dtype)
    source, target = array.reshape(-1), longer.reshape(-1)
    for i in range(source.size):  # not by a slice; see kernels
        target[i] = source[i]
    return longer


@kernel
def _trace(image, bits, stride, around, steps):
    """Trace all contours.

    Args:
        image: words of the image in a frame of zeros, flat.
        bits: the same memory by bytes.
        stride: words of a row.
        around: AROUND.
        steps: STEPS.

    Returns:
        points: int32 (n, 2); stops: where each contour ends in the points; outer: see contours(). Contours are in the
        order in which they are met.
    """
    # A pixel is `visited` if it is on a border, and `passed` if a border has looked at the background on its right.
    visited, passed = np.zeros_like(image), np.zeros_like(image)
    marks = visited.view(np.uint8), passed.view(np.uint8)
    runs = _runs_before(image)
    owners = np.empty(runs[-1] + 1, np.int32)  # a border through the first pixel of each run
    points, count = np.empty((1024, 2), np.int32), np.int64(0)
    stops, outer, borders = np.empty(256, np.int64), np.empty(256, np.int64), np.int64(0)
    for at in range(1, image.size):
        word = image[at]
        shifted = word << ONE | image[at - 1] >> LAST
        if word == shifted:
            continue
        starts, behind = word & ~shifted, shifted & ~word
        unseen = ~NONE
        while True:
            # A border begins at a pixel that starts a run of foreground, or behind one that ends a run, if no border
            # was followed there before.
            begins = (starts & ~visited[at] | behind & ~(passed[at] << ONE | passed[at - 1] >> LAST)) & unseen
            if begins == NONE:
                break
            bit = begins & (~begins + ONE)
            unseen = ~(bit | bit - ONE)
            first = 64 * at + _count(bit - ONE)
            if bit & starts:  # an outer border, whose first pixel has background on its left
                search, region = 4, borders
            else:  # a hole, whose first pixel has background on its right; the run belongs to a traced border
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


@inner_kernel
def _three(bits, byte, shift):
    """Return three neighbours in a row, which lie in two bytes at most."""
    return (np.int64(bits[byte]) | np.int64(bits[byte + 1]) << 8) >> shift & 7


@inner_kernel
def _ring(bits, at, stride):
    """Return which neighbours of the pixel at this bit are foreground, in the order of AROUND."""
    byte, shift = at - 1 >> 3, at - 1 & 7
    above, row, below = (
        _three(bits, byte - 8 * stride, shift),
        _three(bits, byte, shift),
        _three(bits, byte + 8 * stride, shift),
    )
    return row >> 2 | above >> 1 & 2 | above << 1 & 4 | (above & 1) << 3 | (row & 1) << 4 | below << 5


@inner_kernel
def _follow(image, bits, stride, around, steps, marks, runs, owners, first, search, border, points, count):
    """Mark a border and append its points.

    Args:
        image: words of the image, flat.
        bits: the same memory by bytes.
        stride: words of a row.
        around: AROUND.
        steps: STEPS.
        marks: the visited and passed pixels, by bytes.
        runs: runs of foreground before each word.
        owners: for each run, a border through its first pixel; filled in.
        first: bit of the first pixel.
        search: direction from the first pixel to a background pixel of the border.
        border: index of this border.
        points: points of all borders so far, int32 (n, 2).
        count: number of these points.

    Returns:
        The points, possibly in a longer array, and their number.
    """
    visited, passed = marks
    x, y = np.int32(first % (64 * stride) - 64), np.int32(first // (64 * stride) - 1)
    ring = _ring(bits, first, stride)
    # Look clockwise for the last pixel of the border, from which the first one is reached again.
    direction = search
    while True:
        direction = direction - 1 & 7
        if direction == search or ring >> direction & 1:
            break
    is_single = direction == search  # a pixel without neighbours
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
        if is_single:
            passed[byte] |= bit
            return points, count
        direction += np.int64(steps[direction, ring])
        if direction > 8:  # the turn went past the pixel on the right, which is background
            passed[byte] |= bit
        direction &= 7
        ahead = here + around[direction, 0] + 64 * stride * around[direction, 1]
        if ahead == first and here == last:
            return points, count
        x, y = x + around[direction, 0], y + around[direction, 1]
        here = ahead
        direction = direction + 4 & 7
        ring = _ring(bits, here, stride)
