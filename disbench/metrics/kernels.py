"""Compiled loops over uint8 maps: what they share, and the level histograms.

Every kernel takes C-contiguous arrays and runs in one thread without the GIL; parallelism is over images. `mask` is
the raw map (h, w); `foreground` (h, w) is 0 or 255, a byte mask. A kernel calls only kernels of its own file, since
Numba's cache notices a change in the file of the caller, not of the callee.
"""

import numpy as np
from numba import njit

U8, U32, U64 = np.uint8, np.uint32, np.uint64
kernel = njit(nogil=True, cache=True)
# A sum may be reordered into SIMD lanes; there are no NaN or infinities here that this could mistreat.
summing = njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})

BANKS = 4  # histograms that are filled in turn


@kernel
def foreground_moments(foreground):
    """Number of foreground pixels, sum of their rows, sum of their columns: exact integers."""
    height, width = foreground.shape
    pixels, rows, columns = 0, 0, 0
    for y in range(height):
        count, total = 0, 0
        for x in range(width):
            inside = np.int64(foreground[y, x] & U8(1))
            count += inside
            total += inside * x
        pixels += count
        rows += count * y
        columns += total
    return pixels, rows, columns


@kernel
def _count_pixels(mask, foreground, start, stop, counts):
    for at in range(start, stop):
        counts[(np.int64(foreground[at] & U8(1)) << 8) + mask[at]] += 1


@kernel
def _count_words(mask_words, foreground_words, start, stop, counts):
    """Count words start..stop, 8 pixels each; most words are 0 or 255 throughout, and cost a comparison.

    Neighbours go to different banks of 512: to increment the counter just written would wait for that write.
    """
    zeros, ones = U64(0), ~U64(0)
    low, high = 0, 0
    for word in range(start, stop):
        levels, inside = mask_words[word], foreground_words[word]
        if levels == inside == zeros:
            low += 8
        elif levels == inside == ones:
            high += 8
        elif inside in (zeros, ones):
            side = inside & U64(256)
            for pixel in range(8):
                counts[U64(pixel % BANKS * 512) + side + ((levels >> U64(8 * pixel)) & U64(255))] += U32(1)
        else:
            for pixel in range(8):
                side = (inside >> U64(8 * pixel) << U64(8)) & U64(256)
                counts[U64(pixel % BANKS * 512) + side + ((levels >> U64(8 * pixel)) & U64(255))] += U32(1)
    counts[0] += low
    counts[511] += high


@kernel
def _joint_histogram(mask, foreground, mask_words, foreground_words, width, row, column):
    counts = np.zeros((4, BANKS * 512), np.uint32)
    for y in range(mask.size // width):
        left, middle, right = y * width, y * width + column, (y + 1) * width
        quadrant = 0 if y < row else 2
        for start, stop in ((left, middle), (middle, right)):
            # The words that lie wholly in start..stop, and what is left on either side.
            first, last = (start + 7) >> 3, stop >> 3
            if first < last:
                _count_pixels(mask, foreground, start, first << 3, counts[quadrant])
                _count_words(mask_words, foreground_words, first, last, counts[quadrant])
                start = last << 3
            _count_pixels(mask, foreground, start, stop, counts[quadrant])
            quadrant += 1
    return counts


def joint_histogram(mask, foreground, row, column):
    """int64 (4, 2, 256): pixels by quadrant, by background/foreground, by level.

    Quadrants are row-major; rows below `row` are in the upper ones, columns below `column` in the left ones.
    """
    flat = mask.reshape(-1), foreground.reshape(-1)
    words = [np.require(pixels[: pixels.size & ~7].view(U64), requirements="A") for pixels in flat]
    counts = _joint_histogram(*flat, *words, mask.shape[1], row, column)
    return counts.reshape(4, BANKS, 2, 256).sum(1, dtype=np.int64)
