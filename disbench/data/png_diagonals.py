"""Undo the filters of PNG lines full of residuals, 63 rows at once.

A pixel depends on its left, upper and upper left neighbours only. So if every row is one pixel behind the row above it,
the rows advance together, and a diagonal of pixels is one SIMD step in bytes, whatever the filter of each row:

    lane i - 1 two steps ago: upper left     lane i - 1 one step ago: above     lane i one step ago: left

Lane 0 is the finished row above the others. Most of the work is to bring rows of bytes into diagonals and back, which
is done by squares of 8 x 8.
"""

import numpy as np

from disbench.metrics.kernels import inner_kernel, kernel

U8, U64 = np.uint8, np.uint64

LANES = 64
ROWS = LANES - 1  # rows that are undone together
LANE = U64(LANES)
WORDS = LANES // 8  # words of 8 lanes in a diagonal
WORD = U64(WORDS)
MARGIN = 8  # diagonals of zeros before the first one, of which two are read
NARROWEST = LANES + 8  # columns, because words are read up to so many bytes behind the end of a row


def unfilter_rows_together(pixels: np.ndarray, first: int, width: int) -> None:
    """Turn lines of 1 + width bytes, a filter and residuals, into rows of width pixels in the same memory.

    Args:
        pixels: the lines of an image, uint8, flat. The rows before `first` are pixels already, without filters.
        first: the first of ROWS rows, at least 1. Behind the last of them must be another line.
        width: pixels in a row, at least NARROWEST.
    """
    diagonals = (width + LANES - 1 + 7) // 8 * 8
    words = np.zeros((MARGIN + diagonals) * WORDS, U64)
    lanes = np.zeros((5, LANES), U8), np.zeros(LANES, U64)
    _unfilter_rows(pixels, first, width, words, words.view(U8), lanes)


@kernel
def _unfilter_rows(pixels, first, width, words, cells, lanes):
    """Undo the filters of ROWS rows.

    `words` and `cells` are the same memory: one diagonal of lanes after another. `lanes` are zeros: byte masks of
    the filters, uint8 (5, LANES), and offsets at which the lanes have their first diagonal, uint64 (LANES,).
    """
    masks, starts = lanes
    diagonals = words.size // WORDS - MARGIN
    starts[0] = (first - 1) * width
    for lane in range(1, LANES):
        line = (first + lane - 1) * (width + 1)
        masks[pixels[line], lane] = 255
        starts[lane] = line + 1 - lane
    _read_diagonals(pixels, starts, diagonals, words)
    for diagonal in range(LANES):  # what was read of lanes that have not begun belongs to other rows
        for lane in range(diagonal + 1, LANES):
            cells[(MARGIN + diagonal) * LANES + lane] = 0
    _advance(cells, diagonals, masks[1], masks[2], masks[3], masks[4])
    _write_rows(words, diagonals, pixels, first, width)


@inner_kernel
def _advance(cells, diagonals, sub, up, average, paeth):
    """Turn residuals into pixels, one diagonal after another. The filters are byte masks of the lanes.

    Paeth's choice needs distances, here in bytes that stop at 0. `over` and `under` are how far the upper left pixel
    (corner) lies below the higher and above the lower of the other two.
    """
    at = U64(MARGIN * LANES)
    for _ in range(diagonals):
        for i in range(LANE):
            left, above = cells[at + i - LANE], cells[at + i - LANE - U64(1)]
            corner = cells[at + i - LANE - LANE - U64(1)]
            low, high = min(left, above), max(left, above)
            over, under = U8(max(high, corner) - corner), U8(corner - min(low, corner))
            predicted = corner
            predicted = low if over <= U8(max(under, over) - over) else predicted
            predicted = high if under <= U8(max(over, under) - under) else predicted
            mean = U8((left & above) + U8(U8(left ^ above) >> U8(1)))
            predicted = U8(
                U8(predicted & paeth[i]) | U8(mean & average[i]) | U8(left & sub[i]) | U8(above & up[i])
            )
            cells[at + i] = U8(cells[at + i] + predicted)
        at += LANE


@inner_kernel
def _read_diagonals(pixels, starts, diagonals, words):
    """Fill in all lanes of all diagonals. `starts` are the offsets at which the lanes have their first diagonal."""
    for diagonal in range(0, diagonals, 8):
        at = U64(diagonal)
        for word in range(WORDS):
            lane = word * 8
            square = (
                _word(pixels, starts[lane] + at),
                _word(pixels, starts[lane + 1] + at),
                _word(pixels, starts[lane + 2] + at),
                _word(pixels, starts[lane + 3] + at),
                _word(pixels, starts[lane + 4] + at),
                _word(pixels, starts[lane + 5] + at),
                _word(pixels, starts[lane + 6] + at),
                _word(pixels, starts[lane + 7] + at),
            )
            to = U64((MARGIN + diagonal) * WORDS + word)
            for column in _transpose(square):
                words[to] = column
                to += WORD


@inner_kernel
def _write_rows(words, diagonals, pixels, first, width):
    """Write the pixels of lanes 1 to ROWS. A word of which a part lies outside its row is written by bytes."""
    next_row = U64(width - 1)
    for diagonal in range(0, diagonals, 8):
        is_inside = diagonal >= LANES and diagonal + 8 <= width
        for word in range(WORDS):
            at = U64((MARGIN + diagonal) * WORDS + word)
            square = (
                words[at],
                words[at + WORD],
                words[at + U64(2) * WORD],
                words[at + U64(3) * WORD],
                words[at + U64(4) * WORD],
                words[at + U64(5) * WORD],
                words[at + U64(6) * WORD],
                words[at + U64(7) * WORD],
            )
            rows, lane = _transpose(square), word * 8
            to = U64((first + lane - 1) * width + diagonal - lane)
            if is_inside and word:
                for row in rows:
                    for i in range(8):
                        pixels[to + U64(i)] = U8(row >> U64(8 * i))
                    to += next_row
            else:
                for row in rows:
                    for i in range(8):
                        if lane and 0 <= diagonal - lane + i < width:
                            pixels[to + U64(i)] = U8(row >> U64(8 * i))
                    lane += 1
                    to += next_row


@inner_kernel
def _word(pixels, x):
    """Read eight pixels as one number, which LLVM turns into one load."""
    word = U64(0)
    for i in range(8):
        word |= U64(pixels[x + U64(i)]) << U64(8 * i)
    return word


@inner_kernel
def _exchange(upper, lower, shift, mask):
    """Exchange the bits of `lower` under a mask with those of `upper` that lie `shift` places higher."""
    change = ((upper >> shift) ^ lower) & mask
    return upper ^ (change << shift), lower ^ change


@inner_kernel
def _transpose(square):
    """Transpose 8 x 8 bytes, each row of which is a word: squares of 4, then of 2, then bytes."""
    a, b, c, d, e, f, g, h = square
    fours, twos, bytes_ = U64(0x00000000FFFFFFFF), U64(0x0000FFFF0000FFFF), U64(0x00FF00FF00FF00FF)
    a, e = _exchange(a, e, U64(32), fours)
    b, f = _exchange(b, f, U64(32), fours)
    c, g = _exchange(c, g, U64(32), fours)
    d, h = _exchange(d, h, U64(32), fours)
    a, c = _exchange(a, c, U64(16), twos)
    b, d = _exchange(b, d, U64(16), twos)
    e, g = _exchange(e, g, U64(16), twos)
    f, h = _exchange(f, h, U64(16), twos)
    a, b = _exchange(a, b, U64(8), bytes_)
    c, d = _exchange(c, d, U64(8), bytes_)
    e, f = _exchange(e, f, U64(8), bytes_)
    g, h = _exchange(g, h, U64(8), bytes_)
    return a, b, c, d, e, f, g, h
