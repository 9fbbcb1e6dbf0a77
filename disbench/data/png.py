"""Decode grey PNGs of 8 bits or 1 bit, not interlaced, faster than OpenCV. Nearly all maps and truths are such files.

libdeflate inflates, and compiled loops undo the filters. All other files, also damaged ones, are left to other
decoders.
"""

import struct

import deflate
import numpy as np

from disbench.system.compilation import make_kernel_decorator

U8, I32, U64 = np.uint8, np.int32, np.uint64
kernel = make_kernel_decorator(nogil=True)

START = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 13, b"IHDR")
ALTERING = (b"tRNS", b"acTL", b"fcTL")  # transparency, animation; no other optional chunk changes what decoders return
EXPANSION = 1032  # greatest expansion by DEFLATE: two bits that stand for 258 bytes
WORD = U64(8)  # bytes


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
    if inflated.size != size or not _unfilter(inflated, height, stride):
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


@kernel
def _unfilter(pixels, height, width):
    """Turn lines of 1 + width bytes, a filter and residuals, into rows of width pixels in the same memory.

    Every pixel is written at a byte that was already read. Returns False for an unknown filter.
    """
    above = np.zeros(width, U8)
    for y in range(height):
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
        elif method == 3:
            _average(residual, above, here)
        elif method == 4:
            _paeth(residual, above, here)
        else:
            return False
        above = here
    return True


@kernel
def _word(pixels, x):
    """Read eight pixels as one number, which LLVM turns into one load."""
    word = U64(0)
    for i in range(8):
        word |= U64(pixels[x + U64(i)]) << U64(8 * i)
    return word


@kernel
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


@kernel
def _sub_pixels(residual, here, start, stop, left):
    for x in range(start, stop):
        left = U8(left + residual[x])
        here[x] = left
    return left


@kernel
def _average(residual, above, here):
    """Undo the filter that predicts the mean of the left and the upper pixel."""
    left = I32(0)
    for x in range(here.size):
        left = I32(U8(((left + I32(above[x])) >> 1) + residual[x]))
        here[x] = left


@kernel
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


@kernel
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
