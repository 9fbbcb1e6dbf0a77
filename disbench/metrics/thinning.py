"""Skeletons: Zhang and Suen, A fast parallel algorithm for thinning digital patterns, CACM 1984, as in scikit-image.

REMOVABLE has the entries of scikit-image's table (BSD-3-Clause, the scikit-image team): the rule of the paper, but for
25 patterns. A pattern is the sum of the bits of the foreground pixels among the neighbours of a pixel.
"""

import numpy as np

from disbench.metrics.kernels import kernel

U8, U64 = np.uint8, np.uint64
NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))  # row, column of bits 0 to 7
# Neighbourhoods that scikit-image treats otherwise than the rule, by the passes in which it removes the pixel.
DEPARTURES = {
    0: (48, 129),
    1: (3, 6, 11, 12, 14, 131, 134, 161, 194, 198),
    2: (24, 26, 56, 96, 104, 108, 176, 192, 224),
    3: (10, 40, 130, 160),
}


def _removable() -> np.ndarray:
    """uint8 (256,), by pattern: whether the first pass of thinning (1), the second (2) or both (3) remove the pixel."""
    table = np.zeros(256, np.uint8)
    for pattern in range(256):
        ring = [pattern >> bit & 1 for bit in range(8)]
        _, north, _, east, _, south, _, west = ring
        runs = sum(after > before for before, after in zip(ring, ring[1:] + ring[:1], strict=True))
        if runs == 1 and 2 <= sum(ring) <= 6:
            first = not (east and south and (north or west))
            second = not (north and west and (east or south))
            table[pattern] = first + 2 * second
    for passes, departures in DEPARTURES.items():
        table[np.array(departures)] = passes
    return table


REMOVABLE = _removable()


def thinned(foreground: np.ndarray) -> np.ndarray:
    """bool (h, w): the skeleton of the foreground, bool (h, w); equal to scikit-image's skeletonize(foreground)."""
    height, width = foreground.shape
    stride = -(-(width + 2) // 8) * 8
    bones = np.zeros((height + 2, stride), np.uint8)  # 0 or 255, in a frame of zeros
    np.negative(foreground.view(np.uint8), out=bones[1:-1, 1 : width + 1])
    patterns = np.zeros_like(bones)
    _match(bones, patterns)
    _thin(patterns.reshape(-1), bones.reshape(-1), np.array(NEIGHBOURS) @ (stride, 1), REMOVABLE)
    return bones[1:-1, 1 : width + 1] != 0


@kernel
def _neighbours(left, middle, right, bits, found):
    for x in range(found.size):
        found[x] |= U8(U8(U8(left[x] & bits[0]) | U8(middle[x] & bits[1])) | U8(right[x] & bits[2]))


@kernel
def _mask(row, found):
    for x in range(found.size):
        found[x] &= row[x]


@kernel
def _match(bones, patterns):
    """Fill in the patterns of foreground pixels; those of the background stay 0, and so does that of a lone pixel."""
    width = bones.shape[1]
    rows = np.array([[1, 2, 4], [128, 0, 8], [64, 32, 16]], np.uint8)
    for y in range(1, len(bones) - 1):
        found = patterns[y, 1 : width - 1]
        for row in range(3):
            line = bones[y + row - 1]
            _neighbours(line[: width - 2], line[1 : width - 1], line[2:], rows[row], found)
        _mask(bones[y, 1 : width - 1], found)


@kernel
def _thin(patterns, bones, neighbours, removable):
    """Remove pixels in alternate passes, each at once, until neither pass removes any.

    A pixel is looked at again only when a neighbour has gone. `now` are the candidates of this pass, `later` those of
    the next; some are there twice, some have lost their chance meanwhile.
    """
    words = patterns.view(U64)
    now = [np.int32(0)][:0]
    for word in range(words.size):
        if words[word] != U64(0) and words[word] != ~U64(0):
            for i in range(8 * word, 8 * word + 8):
                if removable[patterns[i]]:
                    now.append(np.int32(i))
    later = now[:]
    removed = now[:0]
    this = 1
    while len(now) > 0 or len(later) > 0:
        for i in now:
            if removable[patterns[i]] & this:
                patterns[i] = 0
                bones[i] = 0
                removed.append(i)
        now.clear()
        for i in removed:
            for bit in range(8):
                j = np.int32(i + neighbours[bit])
                patterns[j] &= U8(~(1 << (bit ^ 4)))  # the opposite bit is this pixel as its neighbour sees it
                passes = removable[patterns[j]]
                if passes & ~this:
                    later.append(j)
                elif passes:
                    now.append(j)
        removed.clear()
        now, later = later, now
        this = 3 - this
