"""Check the chunks of a PNG before it is decoded. OpenCV's libpng would print warnings about faulty chunks."""

import struct
import zlib
from pathlib import Path

import numpy as np

from disbench.errors import InputError

SEVERAL = "an animation, or several pages; save the right one as a separate file"
DEPTH = 24  # offset in a PNG of the bits per channel
_IHDR = struct.pack(">I4s", 13, b"IHDR")
_ESSENTIAL = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 4: (8, 16), 6: (8, 16)}  # by colour type, without palettes
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # Adam7
_LONGEST = 1_000_000  # pixels; libpng refuses longer rows and columns
_LAST_FILTER = 4
EXPANSION = 1032  # greatest expansion by DEFLATE: two bits that stand for 258 bytes


def keep_essential_chunks(path: Path, png: np.ndarray) -> tuple[bytes, bool]:
    """Reduce a PNG to the chunks that decide its pixels.

    Args:
        path: the file, for messages.
        png: the bytes of the file, uint8 (n,).

    Returns:
        The reduced file, and whether libpng reads it without a warning.

    Raises:
        InputError: if a chunk is damaged, missing or part of an animation, or if there are fewer pixels than the header
            says, which Pillow would fill up.
    """
    essential, stream = [png[:8]], []
    kinds: list[bytes] = []
    at = 8
    while at + 12 <= png.size and kinds[-1:] != [b"IEND"]:
        length, kind = struct.unpack_from(">I4s", png, at)
        end = at + 8 + length
        if png[end : end + 4].tobytes() != zlib.crc32(png[at + 4 : end]).to_bytes(4):
            break
        if kind == b"acTL":
            raise InputError(f"{path}: {SEVERAL}")
        if kind in _ESSENTIAL:
            essential.append(png[at : end + 4])
            kinds.append(kind)
        elif not (kind.isalpha() and kind[:1].islower()):  # a critical chunk, which no decoder may skip
            break
        if kind == b"IDAT":
            stream.append(png[at + 8 : end])
        at = end + 4
    start = png[8:29].tobytes()
    if kinds[-1:] == [b"IEND"] and start[:8] == _IHDR and (start[17] != 3 or b"PLTE" in kinds):
        is_complete, is_clean = _check_stream(b"".join(stream), start[8:])
        if is_complete:
            is_clean = is_clean and set(kinds[1:-1]) == {b"IDAT"} and essential[-1].size == 12
            return b"".join(essential), is_clean
    raise InputError(f"{path}: cannot be decoded (truncated, or damaged); replace the file")


def _check_stream(stream: bytes, header: bytes) -> tuple[bool, bool]:
    """Check whether a stream of pixels fills all lines of the header, and whether libpng reads it without a warning."""
    width, height, depth, colour, *others, interlaced = struct.unpack(">IIBBBBB", header)
    bits = depth * _CHANNELS.get(colour, 0)
    stride = 1 + (width * bits + 7) // 8
    size = 0
    for x, y, dx, dy in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -((x - width) // dx), -((y - height) // dy)
        if columns > 0:
            size += max(rows, 0) * (1 + (columns * bits + 7) // 8)
    if size > EXPANSION * len(stream):
        return False, False
    inflater = zlib.decompressobj()
    try:
        lines = np.frombuffer(inflater.decompress(stream, size + 1), np.uint8)
    except zlib.error:
        return False, False
    is_plain = depth in _DEPTHS.get(colour, ()) and not any((*others, interlaced)) and max(width, height) <= _LONGEST
    is_exact = lines.size == size and inflater.eof and not inflater.unused_data
    return lines.size >= size, is_plain and is_exact and bool((lines[::stride] <= _LAST_FILTER).all())
