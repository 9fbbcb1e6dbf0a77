"""The chunks of a PNG, looked through before a decoder is: libpng, in OpenCV, would print what is wrong with them."""

import struct
import zlib
from pathlib import Path

import numpy as np

from disbench.errors import InputError

SEVERAL = "an animation, or several pages; save the one that counts as a file of its own"
DEPTH = 24  # where a PNG has its bits per channel
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_IHDR = struct.pack(">I4s", 13, b"IHDR")
_ESSENTIAL = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a colour type
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 4: (8, 16), 6: (8, 16)}  # of those without a palette
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # Adam7
_LONGEST = 1_000_000  # pixels, of libpng
_FILTERS = 4  # the last
_EXPANSION = 1032  # DEFLATE's greatest


def is_png(data: np.ndarray) -> bool:
    return data[:8].tobytes() == _SIGNATURE


def keep_essential_chunks(path: Path, png: np.ndarray) -> tuple[bytes, bool]:
    """Of a PNG the chunks that decide its pixels, and whether libpng reads them without a word.

    InputError where any chunk is damaged, missing or of an animation, or where there are fewer pixels than the header
    says, which Pillow would fill up.
    """
    kept, kinds, stream, at = [png[:8]], [], [], 8
    while at + 12 <= png.size and kinds[-1:] != [b"IEND"]:
        length, kind = struct.unpack_from(">I4s", png, at)
        end = at + 8 + length
        if png[end : end + 4].tobytes() != zlib.crc32(png[at + 4 : end]).to_bytes(4):
            break
        if kind == b"acTL":
            raise InputError(f"{path}: {SEVERAL}")
        if kind in _ESSENTIAL:
            kept.append(png[at : end + 4])
            kinds.append(kind)
        elif not (kind.isalpha() and kind[:1].islower()):  # no decoder may pass over it
            break
        if kind == b"IDAT":
            stream.append(png[at + 8 : end])
        at = end + 4
    start = png[8:29].tobytes()
    if kinds[-1:] == [b"IEND"] and start[:8] == _IHDR and (start[17] != 3 or b"PLTE" in kinds):
        fills, clean = _lines(b"".join(stream), start[8:])
        if fills:
            return b"".join(kept), clean and set(kinds[1:-1]) == {b"IDAT"} and kept[-1].size == 12
    raise InputError(f"{path}: cannot be decoded (truncated, or damaged); replace the file")


def _lines(stream: bytes, header: bytes) -> tuple[bool, bool]:
    """Whether the stream of a PNG fills all lines of its header, and whether libpng has nothing to say of it."""
    width, height, depth, colour, *others, interlaced = struct.unpack(">IIBBBBB", header)
    bits = depth * _CHANNELS.get(colour, 0)
    stride = 1 + (width * bits + 7) // 8
    size = 0
    for x, y, dx, dy in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -((x - width) // dx), -((y - height) // dy)
        if columns > 0:
            size += max(rows, 0) * (1 + (columns * bits + 7) // 8)
    if size > _EXPANSION * len(stream):
        return False, False
    inflater = zlib.decompressobj()
    try:
        lines = np.frombuffer(inflater.decompress(stream, size + 1), np.uint8)
    except zlib.error:
        return False, False
    usual = depth in _DEPTHS.get(colour, ()) and not any((*others, interlaced)) and max(width, height) <= _LONGEST
    ended = lines.size == size and inflater.eof and not inflater.unused_data
    return lines.size >= size, usual and ended and bool((lines[::stride] <= _FILTERS).all())
