"""Check a TIFF before it is decoded, and undo what decoders do differently from one another.

libtiff fills damaged strips with what it has, and only prints a warning. So the data of every strip or tile is
expanded here, and its length is compared with what the tags promise.
"""

import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from disbench.data.jpeg import keep_essential_segments
from disbench.data.png_chunks import EXPANSION, SEVERAL
from disbench.errors import InputError

SIGNATURES = (b"II*\0", b"II+\0", b"MM\0*", b"MM\0+")
_TYPES = {1: "B", 3: "H", 4: "I", 7: "B", 16: "Q"}  # the integers, and bytes
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
WIDTH, HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION = 256, 257, 258, 259, 262, 274
_CHANNELS, _ROWS, _PLANAR, _TILE_WIDTH, _TILE_HEIGHT, _FORMAT = 277, 278, 284, 322, 323, 339
_SEPARATE = 2  # planes
_STRIPS, _TILES = (273, 279), (324, 325)  # offsets, byte counts
_NONE, _LZW, _JPEG, _DEFLATE, _PACKBITS = 1, 5, 7, (8, 32946), 32773
_CHECKED = (_NONE, _LZW, _JPEG, *_DEFLATE, _PACKBITS)
_JPEG_TABLES = 347
_WHITE_IS_ZERO, _YCBCR = 0, 6
_PHOTOMETRICS = {0: (1, 8, 16), 1: (1, 8, 16), 2: (8, 16), 3: (8,), 5: (8,), 8: (8,)}  # bits of each
_HINT = "save it as 8-bit grey or RGB, as PNG"


class Tiff(NamedTuple):
    """A checked TIFF.

    Attributes:
        data: the bytes of the file, without an orientation.
        inverted: whether decoders return 0 for white.
    """

    data: np.ndarray
    inverted: bool


def check_tiff(path: Path, tiff: bytes) -> None:
    """Check that the first page of a TIFF is whole. Raises InputError for damage, and where it cannot be detected."""
    _read_directory(path, tiff)


def prepare_tiff(path: Path, tiff: np.ndarray, *, is_float: bool = False) -> Tiff:
    """Check a TIFF, and remove its orientation, which OpenCV and Pillow would apply.

    Args:
        path: the file, for messages.
        tiff: the bytes of the file, uint8 (n,).
        is_float: expect one channel of 32-bit floating-point values, in place of integers.

    Returns:
        The file to decode.

    Raises:
        InputError: for damaged data, several pages, and forms that decoders read differently or not at all.
    """
    data = tiff.tobytes()
    tags = _read_directory(path, data)
    if tags.has_next:
        raise InputError(f"{path}: {SEVERAL}")
    ambiguity = _find_unfit_float(tags) if is_float else tags.ambiguity
    if ambiguity:
        raise InputError(f"{path}: cannot be decoded reliably (a TIFF {ambiguity}); {_HINT}")
    if _ORIENTATION in tags:
        upright = bytearray(data)
        struct.pack_into(tags.order + "H", upright, tags.places[_ORIENTATION], 1)
        tiff = np.frombuffer(upright, np.uint8)
    return Tiff(tiff, tags.inverted)


def _read_directory(path: Path, data: bytes) -> "_Directory":
    """Read the tags of the first page, and check its data."""
    try:
        tags = _Directory(data)
        tags.ambiguity = _find_ambiguous(tags)
        tags.inverted = tags.first(_PHOTOMETRIC) == _WHITE_IS_ZERO and tags.first(_BITS, 1) == 16
        compression = tags.first(_COMPRESSION, 1)
        is_whole = compression not in _CHECKED or _is_whole(path, tags)
    except InputError:
        raise
    except (struct.error, IndexError, KeyError, ValueError, OverflowError, ZeroDivisionError):
        is_whole = False
    if not is_whole:
        raise InputError(f"{path}: cannot be decoded (truncated, or damaged); replace the file")
    if compression not in _CHECKED:
        fault = f"a TIFF with compression {compression}, in which damage cannot be detected"
        raise InputError(f"{path}: cannot be decoded reliably ({fault}); {_HINT}")
    return tags


class _Directory:
    """The tags of the first page. Raises struct.error, KeyError or ValueError where they are damaged."""

    ambiguity: str | None = None  # what decoders read differently
    inverted = False  # decoders return 0 for white

    def __init__(self, data: bytes):
        self.data = data
        self.order = order = "<" if data[:2] == b"II" else ">"
        is_big = data[2:4] in (b"+\0", b"\0+")
        entry, offset, count = (20, "Q", "Q") if is_big else (12, "I", "H")
        (at,) = struct.unpack_from(order + offset, data, 8 if is_big else 4)
        (total,) = struct.unpack_from(order + count, data, at)
        at += struct.calcsize(order + count)
        self.places: dict[int, int] = {}
        self._values: dict[int, tuple[int, int, int]] = {}  # tag -> type, count, offset
        for place in range(at, at + entry * total, entry):
            tag, kind, number = struct.unpack_from(order + "HH" + offset, data, place)
            value = place + 4 + struct.calcsize(offset)
            self.places[tag] = value
            if _WIDTHS[kind] * number > struct.calcsize(offset):
                (value,) = struct.unpack_from(order + offset, data, value)
            if value + _WIDTHS[kind] * number > len(data):
                raise ValueError
            self._values[tag] = kind, number, value
        self.has_next = struct.unpack_from(order + offset, data, at + entry * total) != (0,)

    def read(self, tag: int) -> tuple[int, ...]:
        """Return the integers of a tag."""
        kind, count, place = self._values[tag]
        return struct.unpack_from(f"{self.order}{count}{_TYPES[kind]}", self.data, place)

    def first(self, tag: int, default: int | None = None) -> int:
        """Return the first integer of a tag."""
        if default is not None and tag not in self._values:
            return default
        return self.read(tag)[0]

    def __contains__(self, tag: int) -> bool:
        return tag in self._values


def _find_ambiguous(tags: _Directory) -> str | None:
    """Return what decoders read differently or not at all; None for a TIFF that is read."""
    bits = set(tags.read(_BITS) if _BITS in tags else (1,))
    photometric, depth = tags.first(_PHOTOMETRIC), min(bits)
    if _FORMAT in tags and set(tags.read(_FORMAT)) != {1}:
        return "of signed or floating-point values"
    is_jpeg = photometric == _YCBCR and tags.first(_COMPRESSION, 1) == _JPEG
    if len(bits) != 1 or (depth not in _PHOTOMETRICS.get(photometric, ()) and not is_jpeg):
        return f"of {depth} bits with photometric interpretation {photometric}"
    if tags.first(_PLANAR, 1) == _SEPARATE and tags.first(_CHANNELS, 1) > 1:
        return "with a plane for each channel"
    return None


def _find_unfit_float(tags: _Directory) -> str | None:
    """Return why a TIFF is not one channel of 32-bit floating-point values with 0 as black; None if it is."""
    layout = tags.first(_FORMAT, 1), tags.first(_BITS, 1), tags.first(_CHANNELS, 1), tags.first(_PHOTOMETRIC)
    return None if layout == (3, 32, 1, 1) else "that is not one channel of 32-bit floating-point values"


def _is_whole(path: Path, tags: _Directory) -> bool:
    """Check whether every strip or tile is in the file, and holds all of its rows."""
    width, height, channels = tags.first(WIDTH), tags.first(HEIGHT), tags.first(_CHANNELS, 1)
    is_tiled = _TILE_WIDTH in tags
    columns, rows = width, min(tags.first(_ROWS, height), height)
    if is_tiled:
        columns, rows = tags.first(_TILE_WIDTH), tags.first(_TILE_HEIGHT)
    planes = channels if tags.first(_PLANAR, 1) == _SEPARATE else 1
    offsets, counts = (tags.read(tag) for tag in (_TILES if is_tiled else _STRIPS))
    down = -(-height // rows)
    if not len(offsets) == len(counts) == -(-width // columns) * down * planes:
        return False
    stride = (columns * tags.first(_BITS, 1) * channels // planes + 7) // 8
    tables = tags.read(_JPEG_TABLES) if _JPEG_TABLES in tags else ()
    for index, (offset, count) in enumerate(zip(offsets, counts, strict=True)):
        lines = rows if is_tiled else min(rows, height - index % down * rows)
        part = tags.data[offset : offset + count]
        if len(part) != count:
            return False
        if tags.first(_COMPRESSION, 1) == _JPEG:
            jpeg = bytes(tables[:-2]) + part[2:] if tables else part
            keep_essential_segments(path, np.frombuffer(jpeg, np.uint8))
        elif not _holds(tags.first(_COMPRESSION, 1), part, stride * lines):
            return False
    return True


def _holds(compression: int, part: bytes, size: int) -> bool:
    """Check whether a strip expands to `size` bytes, or more, without a fault."""
    if compression == _NONE:
        return len(part) >= size
    if compression == _PACKBITS:
        return _measure_packbits(part) >= size
    if compression == _LZW:
        from disbench.data.entropy import measure_lzw  # loads Numba

        return measure_lzw(np.frombuffer(part, np.uint8)) >= size
    if size > EXPANSION * len(part):
        return False
    inflater = zlib.decompressobj()
    try:
        return len(inflater.decompress(part, size + 1)) >= size and (inflater.eof or bool(inflater.unconsumed_tail))
    except zlib.error:
        return False


def _measure_packbits(part: bytes) -> int:
    """Return the number of bytes that PackBits runs expand to; -1 where the last run is cut."""
    at = size = 0
    while at < len(part):
        head = part[at]
        at += 1
        if head == 128:
            continue
        size += 257 - head if head > 128 else head + 1
        at += 1 if head > 128 else head + 1
    return size if at == len(part) else -1
