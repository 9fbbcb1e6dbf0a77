"""Compiled loops over uint8 maps: the decorator, the foreground of a truth, and level histograms.

Every kernel takes flat arguments and C-contiguous arrays, and runs in one thread without the GIL. Images are processed
in parallel, never parts of one image. `prediction` is the raw map (h, w). `foreground` (h, w) is 0 or 255, so that it
also serves as a byte mask. A kernel calls only kernels of its own file, because the cache notices changes in the
file of the caller, but not in the file of the callee.

The first process of an installation compiles the kernels that it calls, so what compiles slowly is avoided. Kernels
that only kernels call are @inner_kernel. Python makes the arrays where that costs no speed, because Numba compiles a
function of NumPy for each type of array. No array is assigned to a slice of another: Numba would compile the text of
an error with it, for seconds.
"""

import numpy as np

from disbench.metrics.foreground import Foreground
from disbench.system.compilation import make_inner_decorator, make_kernel_decorator

U8, U16, U32, U64 = np.uint8, np.uint16, np.uint32, np.uint64
kernel = make_kernel_decorator(nogil=True)
inner_kernel = make_inner_decorator(nogil=True)

BANKS = 8  # histograms that are filled in turn; see _count_part. _count_part shifts by its logarithm, 3
BLOCK = 64  # pixels that are looked at together


@inner_kernel
def _threshold_row(truth, mask, start, width, above, columns):
    """Fill in a row of the mask, and count its foreground by column, modulo 256.

    Returns the row's foreground pixels, and whether it has the level `above`. Each sum has the width of its loop's
    values, because SIMD code of mixed widths is slower than one loop more.
    """
    for x in range(width):
        mask[start + x] = U8(U8(0) - U8(truth[start + x] > above))
    for x in range(width):
        columns[x] = U8(columns[x] - mask[start + x])
    pixels, limit = U32(0), U8(0)
    for x in range(width):
        pixels = U32(pixels + U32(U8(mask[start + x] & U8(1))))
    for x in range(width):
        limit = U8(limit | U8(truth[start + x] == above))
    return np.int64(pixels), limit == U8(1)


@kernel
def _threshold(truth, mask, height, width, above, columns, totals):
    """Fill in the mask of a truth; both are flat. Returns what else a Foreground holds.

    `columns` and `totals` are zeros, uint8 and int64 (width,).
    """
    pixels, row_sum, column_sum, has_limit = 0, 0, 0, False
    for y in range(height):
        count, meets_limit = _threshold_row(truth, mask, U64(y * width), U64(width), above, columns)
        pixels += count
        row_sum += count * y
        has_limit |= meets_limit
        if y % 255 == 254 or y == height - 1:  # before a count by column can exceed a byte
            for x in range(width):
                totals[x] += columns[x]
                columns[x] = U8(0)
    for x in range(width):
        column_sum += totals[x] * x
    return pixels, row_sum, column_sum, has_limit


def threshold_truth(truth: np.ndarray, above: int, mask: np.ndarray | None = None) -> Foreground:
    """Take all levels above `above` of a truth, uint8 (h, w), in any memory layout. `mask` is an array to fill in."""
    truth = np.require(truth, requirements=["C", "W"])
    mask = np.empty_like(truth) if mask is None else mask
    columns, totals = np.zeros(truth.shape[1], U8), np.zeros(truth.shape[1], np.int64)
    moments = _threshold(truth.reshape(-1), mask.reshape(-1), *truth.shape, U8(above), columns, totals)
    return Foreground(mask, *moments)


@inner_kernel
def _is_constant(prediction, mask, start):
    """Check whether a block is 0 in both arrays throughout, or 255 in both."""
    others, first = U8(0), mask[start]
    for x in range(U64(BLOCK)):
        inside = mask[start + x]
        others = U8(others | U8(U8(prediction[start + x] ^ inside) | U8(inside ^ first)))
    return others == U8(0)


@inner_kernel
def _count_part(prediction, mask, start, stop, places, counts):
    """Count a part of a row.

    Most blocks are constant. For others, SIMD code finds the places of the pixels among the counters. Neighbouring
    pixels go to different banks, because incrementing the counter that was just written would wait for that write. The
    banks of a level lie side by side: at equal offsets from pages of memory, processors would wait needlessly.
    """
    low, high = U32(0), U32(0)
    at = U64(start)
    for _ in range((stop - start) // BLOCK):
        if not _is_constant(prediction, mask, at):
            for x in range(U64(BLOCK)):
                side = U16(U16(mask[at + x] & U8(BANKS)) << U16(8))
                places[x] = U16(U16(U16(U16(prediction[at + x]) << U16(3)) | side) | U16(x & U64(BANKS - 1)))
            for x in range(U64(BLOCK)):
                counts[U64(places[x])] += U32(1)
        elif mask[at] == U8(0):
            low += U32(BLOCK)
        else:
            high += U32(BLOCK)
        at += U64(BLOCK)
    for x in range(at, U64(stop)):
        side = U64(mask[x] & U8(BANKS)) << U64(8)
        counts[side + (U64(prediction[x]) << U64(3)) + (x & U64(BANKS - 1))] += U32(1)
    counts[0] += low
    counts[2 * 256 * BANKS - 1] += high


@kernel
def _joint_histogram(prediction, mask, width, row, column, counts, places):
    """Count pixels in uint32 (4, 2 * 256 * BANKS); flat arrays, and where the quadrants meet. Places are uint16."""
    for y in range(prediction.size // width):
        quadrant = 0 if y < row else 2
        left, middle, right = y * width, y * width + column, (y + 1) * width
        _count_part(prediction, mask, left, middle, places, counts[quadrant])
        _count_part(prediction, mask, middle, right, places, counts[quadrant + 1])


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
    counts, places = np.zeros((4, 2 * 256 * BANKS), U32), np.empty(BLOCK, U16)
    flat = prediction.reshape(-1), foreground.reshape(-1)
    _joint_histogram(*flat, prediction.shape[1], row, column, counts, places)
    return np.einsum("qslb->qsl", counts.reshape(4, 2, 256, BANKS), dtype=np.int64)  # a third of the time of sum()
