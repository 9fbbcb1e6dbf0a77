"""Decode grey PNGs of 8 bits or 1 bit, not interlaced, faster than OpenCV. Nearly all maps and truths are such files.

libdeflate inflates, and compiled loops undo the filters. The loops for lines full of residuals are compiled when the
first such file is read. All other files, also damaged ones, are left to other decoders.
"""

import struct

import deflate
import numpy as np

from disbench.data.png_chunks import EXPANSION
from disbench.data.png_diagonals import NARROWEST, ROWS, unfilter_rows_together
from disbench.metrics.kernels import inner_kernel, kernel

U8, I32, U64 = np.uint8, np.int32, np.uint64

START = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 13, b"IHDR")
ALTERING = (b"tRNS", b"acTL", b"fcTL")  # transparency, animation; no other optional chunk changes what decoders return
WORD = U64(8)  # bytes
AVERAGE, PAETH = 3, 4  # the filters that need one step after another
SPACING = 7  # every so many rows of a group are looked at
BUSY = 0.3  # share of words with residuals from which diagonals cost less


def decode_grey(data: bytes | np.ndarray) -> np.ndarray | None:
    """Decode the bytes of a PNG file into uint8 (h, w). One bit becomes 0 or 255.

    Returns None for a file of another kind, and for a wrong checksum or length.
    """
    file = memoryview(data)
    stream = _image_data(file)
    if stream is None:
        return None
    width, height, depth, *kind = struct.unpack_from(">IIBBBBB", file, len(START))
    stride = (width * depth + 7) // 8
    size = height * (1 + stride)
    # The last test prevents a false header from claiming more memory than the stream could fill.
    if depth not in (1, 8) or any(kind) or 0 in (width, height) or size > EXPANSION * len(stream):
        return None
    # zlib refuses a stream that refers back further than its first byte says. libdeflate does not check that.
    if size > 256 << (stream[0] >> 4) and stream[0] >> 4 < 7:
        return None
    try:
        inflated = np.frombuffer(deflate.zlib_decompress(stream, size), U8)
    except deflate.DeflateError:
        return None
    if inflated.size != size or not _unfilter(inflated.reshape(height, 1 + stride)):
        return None
    pixels = inflated[: height * stride].reshape(height, stride)
    return pixels if depth == 8 else np.unpackbits(pixels, axis=1, count=width) * U8(255)


def _image_data(file: memoryview) -> bytes | None:
    """Join the contents of all IDAT chunks. None if a chunk is damaged, misplaced, missing, or alters the levels."""
    if file[: len(START)] != START:
        return None
    parts: list[memoryview] = []
    last, at = b"", 8
    while at + 12 <= len(file):
        length, kind = struct.unpack_from(">I4s", file, at)
        end = at + 8 + length
        if deflate.crc32(file[at + 4 : end]).to_bytes(4) != file[end : end + 4]:
            return None
        if kind == b"IEND":
            return b"".join(parts)
        if kind == b"IDAT" and (not parts or last == kind):
            parts.append(file[at + 8 : end])
        elif at > 8 and not _is_optional(kind, length):
            return None
        last, at = kind, end + 4
    return None


def _is_optional(kind: bytes, length: int) -> bool:
    """Check whether decoders return the same pixels without a chunk, as for most kinds that begin in lower case.

    OpenCV refuses a chunk whose kind is not all letters, and a background colour of another length.
    """
    return kind.isalpha() and kind[:1].islower() and kind not in ALTERING and (kind != b"bKGD" or length == 2)


def _unfilter(lines: np.ndarray) -> bool:
    """Turn lines (h, 1 + width), a filter and residuals, into rows of width pixels in the same memory, without gaps.

    Returns False for an unknown filter.
    """
    height, width = lines.shape[0], lines.shape[1] - 1
    if lines[:, 0].max() > PAETH:
        return False
    pixels, y, nothing = lines.reshape(-1), 0, np.zeros(width, U8)
    for first in _find_busy_rows(lines):
        _unfilter_rows(pixels, y, first, width, nothing)
        unfilter_rows_together(pixels, first, width)
        y = first + ROWS
    _unfilter_rows(pixels, y, height, width, nothing)
    return True


def _find_busy_rows(lines: np.ndarray) -> list[int]:
    """Find groups of ROWS rows that cost less by diagonals, and return the first row of each.

    Those are the groups with enough words that have residuals, in rows of the filters Average and Paeth. Only some rows
    of each group are looked at. No group has the first or the last row of the image; see unfilter_rows_together().
    """
    height, width = lines.shape[0], lines.shape[1] - 1
    groups = (height - 2) // ROWS
    if groups < 1 or width < NARROWEST:
        return []
    sample = lines[1 : 1 + groups * ROWS].reshape(groups, ROWS, -1)[:, ::SPACING]
    words = np.ascontiguousarray(sample[:, :, 1 : 1 + width // 8 * 8]).view(U64) != 0
    share = words.sum(2, dtype=np.uint32) / words.shape[2]  # a quarter of the time of mean()
    busy = np.where(sample[:, :, 0] == PAETH, share, sample[:, :, 0] == AVERAGE).mean(1)
    return (1 + ROWS * np.flatnonzero(busy > BUSY)).tolist()


@kernel
def _unfilter_rows(pixels, first, last, width, nothing):
    """Undo the filters of the rows from first to last - 1. Every pixel is written at a byte that was already read.

    `nothing` is the row of zeros above the image.
    """
    above = pixels[(first - 1) * width : first * width] if first else nothing
    for y in range(first, last):
        start = y * (width + 1)
        method = pixels[start]
        residual = pixels[start + 1 : start + 1 + width]
        here = pixels[y * width : (y + 1) * width]
        if method == 0:
            for x in range(width):
                here[x] = residual[x]
        elif method == 1:
            _sub(residual, here)
        elif method == 2:
            for x in range(width):
                here[x] = above[x] + residual[x]
        elif method == AVERAGE:
            _average(residual, above, here)
        else:
            _paeth(residual, above, here)
        above = here


@inner_kernel
def _word(pixels, x):
    """Read eight pixels as one number, which LLVM turns into one load."""
    word = U64(0)
    for i in range(8):
        word |= U64(pixels[x + U64(i)]) << U64(8 * i)
    return word


@inner_kernel
def _sub(residual, here):
    """Undo the filter that predicts the left pixel. Words of zeros repeat it."""
    left = U8(0)
    x = U64(0)
    for _ in range(here.size // 8):
        if _word(residual, x) == U64(0):
            for i in range(x, x + WORD):
                here[i] = left
        else:
            left = _sub_pixels(residual, here, x, x + WORD, left)
        x += WORD
    _sub_pixels(residual, here, x, U64(here.size), left)


@inner_kernel
def _sub_pixels(residual, here, start, stop, left):
    for x in range(start, stop):
        left = U8(left + residual[x])
        here[x] = left
    return left


@inner_kernel
def _average(residual, above, here):
    """Undo the filter that predicts the mean of the left and the upper pixel."""
    left = I32(0)
    for x in range(here.size):
        left = I32(U8(((left + I32(above[x])) >> 1) + residual[x]))
        here[x] = left


@inner_kernel
def _paeth(residual, above, here):
    """Undo the filter that predicts the left, the upper or the upper left pixel (corner), whichever fits best.

    If left and corner are equal, the upper pixel is predicted. A word without residuals is then a copy of the word
    above, and at its end the two are equal again.
    """
    left, corner = I32(0), I32(0)
    x = U64(0)
    for _ in range(here.size // 8):
        if _word(residual, x) == U64(0) and left == corner:
            word = _word(above, x)
            for i in range(8):
                here[x + U64(i)] = U8(word >> U64(8 * i))
        else:
            left, corner = _paeth_pixels(residual, above, here, x, x + WORD, left, corner)
        x += WORD
    _paeth_pixels(residual, above, here, x, U64(here.size), left, corner)


@inner_kernel
def _paeth_pixels(residual, above, here, start, stop, left, corner):
    """Undo the same filter pixel by pixel, as stb_image does: the standard's choice, also in ties, in fewer steps."""
    for x in range(start, stop):
        upper = I32(above[x])
        aim = I32(I32(3) * corner - upper - left)
        low, high = min(left, upper), max(left, upper)
        predicted = low if high <= aim else corner
        predicted = high if aim <= low else predicted
        left = I32(U8(U8(predicted) + residual[x]))
        here[x] = left
        corner = upper
    return left, corner
