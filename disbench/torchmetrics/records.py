"""Measurements as bytes, one record after the other, so that processes can exchange them as tensors of uint8.

A record is its length in 4 bytes, and a MessagePack array of the fields of Record.
"""

import struct
from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from disbench.metrics.measurement import Measurement
from disbench.metrics.meter import Entry
from disbench.metrics.pixel_metrics import StoredValue

_LENGTH = struct.Struct("<I")
_LEVELS = np.dtype("<u4")


class Record(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """A measured image as it is encoded.

    Attributes:
        process: rank of the process that measured it.
        name: name of the image, if it has one.
        height: rows of the truth.
        width: columns of the truth.
        histograms: fg_hist, bg_hist and, if it is not None, fg_half, as little-endian uint32.
        values: the values of the measurement.
    """

    process: int
    name: str | None
    height: int
    width: int
    histograms: bytes
    values: dict[str, StoredValue]


def encode_entries(entries: Iterable[Entry], process: int) -> bytes:
    """Encode images that a process measured."""
    parts = []
    for entry in entries:
        measurement = entry.measurement
        sides = (measurement.fg_hist, measurement.bg_hist, measurement.fg_half)
        record = Record(
            process=process,
            name=entry.name,
            height=measurement.height,
            width=measurement.width,
            histograms=b"".join(side.astype(_LEVELS).tobytes() for side in sides if side is not None),
            values=measurement.values,
        )
        data = msgspec.msgpack.encode(record)
        parts += [_LENGTH.pack(len(data)), data]
    return b"".join(parts)


def decode_entries(data: bytes) -> dict[int, list[Entry]]:
    """Decode images, by the process that measured them, each in the order in which they were encoded."""
    entries: dict[int, list[Entry]] = {}
    for record in _split_records(data):
        sides = np.frombuffer(record.histograms, _LEVELS).reshape(-1, 256)
        measurement = Measurement(record.height, record.width, sides[0], sides[1], record.values, *sides[2:])
        entries.setdefault(record.process, []).append(Entry(name=record.name, measurement=measurement))
    return entries


def _split_records(data: bytes) -> Iterator[Record]:
    decoder = msgspec.msgpack.Decoder(Record)
    start = 0
    while start < len(data):
        (length,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size + length
        yield decoder.decode(data[start - length : start])
