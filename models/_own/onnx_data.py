"""The files in which an ONNX file keeps tensors, read from its protocol buffer without the package onnx."""

import mmap
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from disbench.errors import InputError

# Message -> number of a field -> the message in it, as far as tensors may be inside; onnx.proto numbers the fields.
FIELDS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
KEY, VALUE = 1, 2  # fields of an entry
FIXED_SIZES = {1: 8, 5: 4}  # bytes by wire type


def list_data_files(path: Path) -> list[Path]:
    """List the files next to an ONNX file, or below its folder, in which it keeps tensors, sorted by name.

    Raises:
        InputError: A file is missing or outside of the folder, or the ONNX file is damaged.
    """
    if not path.stat().st_size:
        return []
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        locations = sorted(set(_list_locations(memoryview(data), "model")))
    except (IndexError, ValueError, RecursionError):
        raise InputError(f"{path}: cannot be loaded (not a protocol buffer of ONNX)") from None
    files = []
    for location in locations:
        pure = PurePosixPath(location)
        if pure.is_absolute() or ".." in pure.parts or PureWindowsPath(location).drive or "\\" in location:
            raise InputError(f"{path}: refused: it has tensors in {location!r}, outside of its folder; export it again")
        if not (path.parent / pure).is_file():
            raise InputError(f"{path}: its tensors are in {location!r}, which is missing; put that file next to it")
        files.append(path.parent / pure)
    return files


def _list_locations(data: memoryview, message: str) -> Iterator[str]:
    for number, content in _list_fields(data):
        inner = FIELDS[message].get(number)
        if inner == "entry":
            entry = {key: bytes(value).decode() for key, value in _list_fields(content)}
            if entry.get(KEY) == "location":
                yield entry.get(VALUE, "")
        elif inner:
            yield from _list_locations(content, inner)


def _list_fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """List the fields of a message that have a length: (number, content)."""
    position = 0
    while position < len(data):
        tag, position = _read_number(data, position)
        kind = tag & 7
        if kind == 0:
            _, position = _read_number(data, position)
        elif kind == 2:
            length, position = _read_number(data, position)
            if position + length > len(data):
                raise ValueError("truncated")
            yield tag >> 3, data[position : position + length]
            position += length
        elif kind in FIXED_SIZES:
            position += FIXED_SIZES[kind]
        else:
            raise ValueError("unknown wire type")


def _read_number(data: memoryview, position: int) -> tuple[int, int]:
    """Read a number of 7 bits per byte; return it and the position after it."""
    number = shift = 0
    while True:
        byte = data[position]
        number |= (byte & 127) << shift
        position += 1
        shift += 7
        if byte < 128:
            return number, position
        if shift > 63:
            raise ValueError("a number is too long")
