"""Compiled loops over uint8 maps: the decorators, moments and level histograms.

Every kernel takes flat arguments and C-contiguous arrays, and runs in one thread without the GIL. Images are processed
in parallel, never parts of one image. `prediction` is the raw map (h, w). `foreground` (h, w) is 0 or 255, so that it
also serves as a byte mask. A kernel calls only kernels of its own file, because the cache notices changes in the
file of the caller, but not in the file of the callee.
"""

import numpy as np

from disbench.system.compilation import make_kernel_decorator

U8, U32, U64 = np.uint8, np.uint32, np.uint64
kernel = make_kernel_decorator(nogil=True)

BANKS = 4  # histograms that are filled in turn; see _count_words


@kernel
def foreground_moments(foreground):
    """Return the number of foreground pixels, the sum of their rows and the sum of their columns, as integers."""
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
def _count_pixels(prediction, foreground, start, stop, counts):
    """Count pixels start..stop one by one."""
    for at in range(start, stop):
        counts[(np.int64(foreground[at] & U8(1)) << 8) + prediction[at]] += 1


@kernel
def _count_words(prediction_words, foreground_words, start, stop, counts):
    """Count words start..stop of 8 pixels each.

    Most words are 0 or 255 throughout and cost one comparison. Neighbouring pixels go to different banks of 512
    counters, because incrementing the counter that was just written would wait for that write.
    """
    zeros, ones = U64(0), ~U64(0)
    low, high = 0, 0
    for word in range(start, stop):
        levels, inside = prediction_words[word], foreground_words[word]
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
def _joint_histogram(prediction, foreground, prediction_words, foreground_words, width, row, column):
    """Count pixels, uint32 (4, BANKS * 512); flat arrays, the first words of each, and where the quadrants meet."""
    counts = np.zeros((4, BANKS * 512), np.uint32)
    for y in range(prediction.size // width):
        left, middle, right = y * width, y * width + column, (y + 1) * width
        quadrant = 0 if y < row else 2
        for start, stop in ((left, middle), (middle, right)):
            # Count the words that lie wholly in start..stop, and the remaining pixels on either side one by one.
            first, last = (start + 7) >> 3, stop >> 3
            if first < last:
                _count_pixels(prediction, foreground, start, first << 3, counts[quadrant])
                _count_words(prediction_words, foreground_words, first, last, counts[quadrant])
                start = last << 3
            _count_pixels(prediction, foreground, start, stop, counts[quadrant])
            quadrant += 1
    return counts


def _as_words(pixels: np.ndarray) -> np.ndarray:
    """View flat pixels as uint64, 8 pixels each, aligned; the last pixels that fill no word are dropped."""
    return np.require(pixels[: pixels.size & ~7].view(U64), requirements="A")


def joint_histogram(prediction: np.ndarray, foreground: np.ndarray, row: int, column: int) -> np.ndarray:
    """Count pixels by quadrant, background/foreground and level.

    Args:
        prediction: the map, uint8 (h, w).
        foreground: the foreground of the truth, uint8 (h, w), 0 or 255.
        row: rows 0 to row - 1 are in the upper quadrants.
        column: columns 0 to column - 1 are in the left quadrants.

    Returns:
        Counts, int64 (4, 2, 256), quadrants in row-major order.
    """
    flat_prediction, flat_foreground = prediction.reshape(-1), foreground.reshape(-1)
    counts = _joint_histogram(
        flat_prediction,
        flat_foreground,
        _as_words(flat_prediction),
        _as_words(flat_foreground),
        prediction.shape[1],
        row,
        column,
    )
    return counts.reshape(4, BANKS, 2, 256).sum(1, dtype=np.int64)
