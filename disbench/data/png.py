"""PNGs of 8 or 1 bit of grey, not interlaced, as maps and truths nearly always are: decoded faster than by OpenCV.

libdeflate inflates, compiled loops undo the filters. Any other file, a damaged one too, is left to other decoders.
"""

import struct

import deflate
import numpy as np
from numba import njit

U8, I32, U64 = np.uint8, np.int32, np.uint64
kernel = njit(nogil=True, cache=True)

START = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 13, b"IHDR")
ALTERING = (b"tRNS", b"acTL", b"fcTL")  # transparency, animation; no other optional chunk changes what decoders return
EXPANSION = 1032  # DEFLATE's greatest: two bits that stand for 258 bytes
WORD = U64(8)  # bytes


def decode_grey(data: bytes | np.ndarray) -> np.ndarray | None:
    """The levels of a PNG file, given as its bytes: uint8 (h, w); 1 bit gives 0 and 255.

    None where the file is of another kind, or where a checksum or a length is wrong.
    """
    file = memoryview(data)
    stream = _image_data(file)
    if stream is None:
        return None
    width, height, depth, *kind = struct.unpack_from(">IIBBBBB", file, len(START))
    stride = (width * depth + 7) // 8
    size = height * (1 + stride)
    # The last test keeps a header that lies from claiming more memory than the stream could fill.
    if depth not in (1, 8) or any(kind) or 0 in (width, height) or size > EXPANSION * len(stream):
        return None
    # zlib refuses a stream that reaches back further than its first byte says, libdeflate does not look.
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
    """The contents of all IDAT chunks; None where a chunk is damaged, misplaced, missing or would alter the levels."""
    if file[: len(START)] != START:
        return None
    parts, last, at = [], b"", 8
    while at + 12 <= len(file):
        length, kind = struct.unpack_from(">I4s", file, at)
        end = at + 8 + length
        if deflate.crc32(file[at + 4 : end]).to_bytes(4) != file[end : end + 4]:
            return None
        if kind == b"IEND":
            return b"".join(parts)
        if kind == b"IDAT" and (not parts or last == kind):
            parts.append(file[at + 8 : end])
        elif at > 8 and not _optional(kind, length):
            return None
        last, at = kind, end + 4
    return None


def _optional(kind: bytes, length: int) -> bool:
    """Whether decoders return the same without the chunk, as most with a small letter first.

    OpenCV refuses a file with a name that has more than letters in it, or with a background of another size.
    """
    return kind.isalpha() and kind[:1].islower() and kind not in ALTERING and (kind != b"bKGD" or length == 2)


@kernel
def _unfilter(pixels, height, width):
    """Lines of 1 + width bytes, a filter and residuals, become rows of width pixels in the same memory.

    A pixel is written before its residual, at a byte already read. False where a filter is none of the five.
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
    """Eight pixels as one number: LLVM makes one load of it."""
    word = U64(0)
    for i in range(8):
        word |= U64(pixels[x + U64(i)]) << U64(8 * i)
    return word


@kernel
def _sub(residual, here):
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
    left = I32(0)
    for x in range(here.size):
        left = I32(U8(((left + I32(above[x])) >> 1) + residual[x]))
        here[x] = left


@kernel
def _paeth(residual, above, here):
    """Where left and corner (upper left) agree, whatever they are, the upper pixel is predicted.

    So without residuals whole words are copied, at whose end the two agree again.
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
    """The form of stb_image: the same choice as the standard's, ties included, with fewer steps from pixel to pixel."""
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
