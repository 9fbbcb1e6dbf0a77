"""Check a JPEG before it is decoded. Decoders fill damaged parts with grey, and only print a warning."""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from disbench.errors import InputError

SIGNATURE = b"\xff\xd8\xff"
_SOI, _EOI, _SOS, _DHT, _DRI = 0xD8, 0xD9, 0xDA, 0xC4, 0xDD
_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a segment
_JFIF, _ADOBE = 0xE0, 0xEE
_METADATA = {*range(0xE0, 0xF0), 0xFE} - {_JFIF, _ADOBE}  # these two decide the colour space
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_HUFFMAN_FRAMES = {0xC0, 0xC1, 0xC2}
_PROGRESSIVE = 0xC2
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_BLOCK = 8
_PREFIX, _RST = 0xFF, 0xD0
_PADDING = 256  # bytes; no block has more


@dataclass
class _Component:
    """One colour channel: its sampling factors, and how many low bits each coefficient lacks so far (-1: all)."""

    width: int
    height: int
    horizontal: int
    vertical: int
    missing: np.ndarray = field(default_factory=lambda: np.full(64, -1))
    masks: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))


class _DamageError(Exception):
    """The file is damaged."""


def read_jpeg_header(file: IO[bytes]) -> tuple[str, tuple[int, int]]:
    """Return Pillow's mode and (height, width). Raises ValueError if the segments before the pixels are not whole."""
    file.seek(2)
    header = None
    while True:
        prefix, marker = file.read(1), file.read(1)
        while marker == b"\xff":
            marker = file.read(1)
        if prefix != b"\xff" or not marker:
            raise ValueError("its header is truncated or damaged")
        if marker[0] in _BARE:
            continue
        length = int.from_bytes(file.read(2))
        segment = file.read(length - 2) if length >= 2 else b""
        if length < 2 or len(segment) < length - 2 or marker[0] == _EOI:
            raise ValueError("its header is truncated or damaged")
        if marker[0] in _FRAMES:
            if marker[0] not in _HUFFMAN_FRAMES:
                raise ValueError("JPEG that is lossless, hierarchical or arithmetic-coded")
            if len(segment) < 6 or segment[0] != 8 or segment[5] not in _MODES:
                raise ValueError("JPEG with other than 1, 3 or 4 channels of 8 bits")
            height, width = struct.unpack(">HH", segment[1:5])
            header = _MODES[segment[5]], (height, width)
        if marker[0] == _SOS:
            if header is None or 0 in header[1]:
                raise ValueError("its header has no size")
            return header


def keep_essential_segments(path: Path, jpeg: np.ndarray) -> bytes:
    """Reduce a JPEG to the segments that decide its pixels, after following every code of every scan.

    Args:
        path: the file, for messages.
        jpeg: the bytes of the file, uint8 (n,).

    Returns:
        The reduced file, which libjpeg reads without a warning.

    Raises:
        InputError: if data is damaged, missing or superfluous between its markers. Bytes after its end are ignored.
    """
    try:
        return _Walk(jpeg).run()
    except (_DamageError, IndexError, KeyError, ValueError, struct.error, ZeroDivisionError):
        raise InputError(f"{path}: cannot be decoded (truncated, or damaged); replace the file") from None


class _Walk:
    """A walk through the segments of one file."""

    def __init__(self, jpeg: np.ndarray):
        self.jpeg = jpeg
        self.tables = np.zeros((8, 1 << 16), np.uint16)
        self.interval = 0
        self.is_progressive = False
        self.size = (0, 0)
        self.components: dict[int, _Component] = {}

    def run(self) -> bytes:
        """Return the essential segments, or raise _DamageError."""
        parts, at = [self.jpeg[:2].tobytes()], 2
        while True:
            if self.jpeg[at] != 0xFF:
                raise _DamageError
            while self.jpeg[at] == 0xFF:
                at += 1
            marker = int(self.jpeg[at])
            at += 1
            if marker == _EOI:
                break
            if marker in _BARE:
                continue
            end = at + int(self.jpeg[at]) * 256 + int(self.jpeg[at + 1])
            segment = self.jpeg[at + 2 : end].tobytes()
            if marker in {0, _SOI} or len(segment) != end - at - 2:
                raise _DamageError
            self.read_segment(marker, segment)
            stop = self.walk_scan(segment, end) if marker == _SOS else end
            if marker not in _METADATA and _is_supported(marker, segment):
                parts += [bytes([0xFF, marker]), self.jpeg[at:stop].tobytes()]
            at = stop
        if not self.components or any((part.missing != 0).any() for part in self.components.values()):
            raise _DamageError  # whole scans are missing
        return b"".join((*parts, b"\xff\xd9"))

    def read_segment(self, marker: int, segment: bytes) -> None:
        """Keep what the scans need to know."""
        if marker == _DHT:
            self.read_tables(segment)
        elif marker == _DRI:
            self.interval = struct.unpack(">H", segment)[0]
        elif marker in _FRAMES:
            if self.components or marker not in _HUFFMAN_FRAMES:
                raise _DamageError
            self.read_frame(marker, segment)

    def read_tables(self, segment: bytes) -> None:
        """Expand Huffman tables to one entry for each 16 bits that may come next: 256 x length + symbol."""
        at = 0
        while at < len(segment):
            kind, row = divmod(segment[at], 16)
            counts = np.frombuffer(segment, np.uint8, 16, at + 1)
            total = int(counts.sum())
            symbols = np.frombuffer(segment, np.uint8, total, at + 17)
            lengths = np.repeat(np.arange(1, 17), counts)
            entries = np.repeat(lengths * 256 + symbols, 1 << (16 - lengths))
            if kind > 1 or row > 3 or entries.size > 1 << 16:
                raise _DamageError
            self.tables[4 * kind + row] = 0
            self.tables[4 * kind + row, : entries.size] = entries
            at += 17 + total

    def read_frame(self, marker: int, segment: bytes) -> None:
        """Read the size and the channels."""
        _, height, width, count = struct.unpack(">BHHB", segment[:6])
        self.is_progressive, self.size = marker == _PROGRESSIVE, (height, width)
        factors = {segment[6 + 3 * i]: divmod(segment[7 + 3 * i], 16) for i in range(count)}
        self.largest = max(h for h, _ in factors.values()), max(v for _, v in factors.values())
        for name, (horizontal, vertical) in factors.items():
            if not (0 < horizontal <= 4 and 0 < vertical <= 4):
                raise _DamageError
            columns = _divide_up(_divide_up(width * horizontal, self.largest[0]), _BLOCK)
            rows = _divide_up(_divide_up(height * vertical, self.largest[1]), _BLOCK)
            self.components[name] = _Component(columns, rows, horizontal, vertical)

    def walk_scan(self, segment: bytes, at: int) -> int:
        """Follow the codes of one scan. Return the offset of the marker after it."""
        from disbench.data import entropy  # loads Numba

        count = segment[0]
        first, last, accuracy = segment[1 + 2 * count : 4 + 2 * count]
        high, low = divmod(accuracy, 16)
        parts = [(self.components[segment[1 + 2 * i]], *divmod(segment[2 + 2 * i], 16)) for i in range(count)]
        kind = entropy.SEQUENTIAL
        if self.is_progressive:
            kind = (entropy.DC_REFINED if high else entropy.DC_FIRST) + (2 if first else 0)
        elif (first, last, accuracy) != (0, 63, 0):
            raise _DamageError
        if not first <= last <= 63 or (self.is_progressive and (count > 1 or not first) and last):
            raise _DamageError
        rows = []
        for part, dc, ac in parts:
            if (part.missing[first : last + 1] != (high if high else -1)).any() or dc > 3 or ac > 3:
                raise _DamageError  # a scan twice, or out of order
            part.missing[first : last + 1] = low
            rows += [(dc, 4 + ac)] * (part.horizontal * part.vertical if count > 1 else 1)
        if count > 1:
            height, width = self.size
            mcus = _divide_up(width, _BLOCK * self.largest[0]) * _divide_up(height, _BLOCK * self.largest[1])
        else:
            mcus = parts[0][0].width * parts[0][0].height
        interval = self.interval or mcus
        data, ends, end = _split_scan(self.jpeg[at:], _divide_up(mcus, interval))
        scan = np.array([mcus, interval, kind, first, last], np.int64)
        if kind >= entropy.AC_FIRST:
            if not parts[0][0].masks.size:
                parts[0][0].masks = np.zeros(mcus, np.uint64)
            is_whole = entropy.walk_bands(data, ends, scan, self.tables[rows[0][1]], parts[0][0].masks)
        else:
            is_whole = entropy.walk_blocks(data, ends, scan, self.tables, np.array(rows, np.int64))
        if not is_whole:
            raise _DamageError
        return at + end


def _split_scan(data: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Split the data of a scan at its restart markers.

    Args:
        data: the file from there on, uint8 (n,).
        count: number of intervals between restart markers.

    Returns:
        The data without markers and stuffed bytes, padded; the bit after each interval, int64 (count,); the offset of
        the marker after the last one.

    Raises:
        _DamageError: if there are fewer intervals, or a restart marker has a wrong number.
    """
    prefixes = np.flatnonzero(data[:-1] == _PREFIX)
    after = data[prefixes + 1]
    markers = prefixes[(after != 0) & (after != _PREFIX)][:count]
    if markers.size < count or (data[markers[:-1] + 1] != _RST + np.arange(count - 1) % 8).any():
        raise _DamageError
    # Of a prefix and 0 the prefix is data; prefixes before others, and all of a marker, are not.
    end = int(markers[-1])
    omitted = np.concatenate([np.where(after == 0, prefixes + 1, prefixes), markers[:-1] + 1])
    omitted = np.sort(omitted[omitted < end])
    ends = markers - np.searchsorted(omitted, markers)
    return np.concatenate([np.delete(data[:end], omitted), np.zeros(_PADDING, np.uint8)]), 8 * ends, end


def _is_supported(marker: int, segment: bytes) -> bool:
    """Check whether libjpeg reads an application segment without a warning. Others say nothing about pixels."""
    if marker == _JFIF:
        return segment[:5] != b"JFIF\0" or segment[5:6] == b"\x01"
    return True


def _divide_up(a: int, b: int) -> int:
    return -(-a // b)
