"""PNG files written from the text of the standard."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

NONE, SUB, UP, AVERAGE, PAETH = range(5)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(stream, width, height, depth=8, colour=0, interlace=0, chunks=None):
    """A PNG around a zlib stream, or around all chunks between IHDR and IEND."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))
    return b"\x89PNG\r\n\x1a\n" + header + (chunk(b"IDAT", stream) if chunks is None else chunks) + chunk(b"IEND", b"")


def lines(rows, methods):
    """Rows of bytes after the filters of the PNG standard, written from its text."""
    above, packed = np.zeros(rows.shape[1], int), []
    for row, method in zip(rows.astype(int), methods, strict=True):
        left, corner = np.r_[0, row[:-1]], np.r_[0, above[:-1]]
        near = np.abs(left + above - corner - np.stack([left, above, corner])).argmin(0)  # the first of equals
        predicted = [0 * row, left, above, (left + above) // 2, np.choose(near, [left, above, corner])][method]
        packed.append(bytes([method]) + ((row - predicted) % 256).astype(np.uint8).tobytes())
        above = row
    return b"".join(packed)


def written(pixels, methods, depth=8):
    rows = pixels if depth == 8 else np.packbits(pixels > 0, axis=1)
    return png(zlib.compress(lines(rows, methods)), pixels.shape[1], pixels.shape[0], depth)


def by_pillow(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))


def drawn(height, width, run, seed):
    """Runs of equal pixels, as long rows of them as in a map, over noise that grows to the right."""
    rng = np.random.default_rng(seed)
    coarse = rng.choice(np.array([0, 0, 0, 1, 128, 254, 255], np.uint8), (-(-height // run), -(-width // run)))
    noise = rng.integers(0, 256, (height, width), np.uint8) * (rng.random((height, width)) < np.linspace(0, 0.2, width))
    return coarse.repeat(run, 0).repeat(run, 1)[:height, :width] + noise
