"""Prediction maps of floating-point values from 0 to 1: .npy files and 32-bit TIFFs.

They become the levels round(255 x value), with halves to the even level, as disbench saves the maps of networks.
"""

import io
import math
from pathlib import Path

import cv2
import numpy as np

from disbench.data.headers import EXTENSIONS, check_size, read_header
from disbench.data.images import read_bytes, read_map
from disbench.data.tiff import prepare_tiff
from disbench.errors import InputError
from disbench.system.files import require_regular_file

NPY = ".npy"
MAP_EXTENSIONS = EXTENSIONS | {NPY}
_TIFF = (".tif", ".tiff")
_FLOAT_MODE = "F"  # of Pillow
_HEADER_BYTES = 1 << 14  # in which the header of a .npy file ends


def read_map_header(path: Path) -> tuple[str, tuple[int, int]]:
    """Return the mode and (height, width) of a prediction map, without decoding it. InputError if it is unreadable."""
    if path.suffix.lower() != NPY:
        return read_header(path)
    try:
        with require_regular_file(path).open("rb") as file:
            dtype, shape, _ = _parse_npy_header(path, file.read(_HEADER_BYTES))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; check the file") from None
    return str(dtype), _reduce_shape(path, shape)


def read_prediction(path: Path, digest: str | None = None) -> np.ndarray:
    """Read a prediction map as uint8 (h, w), 0..255: an image as read_map() does, .npy files and TIFFs of floats.

    Raises InputError for what cannot be read as a map, and for a file without the digest of hash_file(), if given.
    """
    suffix = path.suffix.lower()
    if suffix == NPY:
        return _to_levels(path, _load_npy(path, read_bytes(path, digest).tobytes()))
    if suffix in _TIFF and read_header(path)[0] == _FLOAT_MODE:
        checked = prepare_tiff(path, read_bytes(path, digest), is_float=True)
        values = cv2.imdecode(checked.data, cv2.IMREAD_UNCHANGED)
        if values is None or values.ndim != 2:
            raise InputError(f"{path}: cannot be decoded (truncated, or damaged); replace the file")
        return _to_levels(path, values)
    return read_map(path, digest)


def _parse_npy_header(path: Path, start: bytes) -> tuple[np.dtype, tuple[int, ...], int]:
    """Return the type, the shape and the offset of the values of a .npy file, which may hold no Python objects."""
    file = io.BytesIO(start)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    except Exception as error:  # damaged bytes can make the parser raise anything
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: not a readable .npy file ({reason}); save the array again") from None
    if dtype.hasobject or dtype.kind not in "fub" or (dtype.kind == "u" and dtype.itemsize > 1):
        raise InputError(f"{path}: has values of type {dtype}; save floats from 0 to 1, or uint8")
    return dtype, shape, file.tell()


def _reduce_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (height, width) of a shape, which may have more axes of length 1 before or after these."""
    reduced = list(shape)
    while len(reduced) > 2 and 1 in (reduced[0], reduced[-1]):
        reduced.pop(0 if reduced[0] == 1 else -1)
    if len(reduced) != 2 or min(reduced) < 1:
        raise InputError(f"{path}: has the shape {shape}; a map has (height, width)")
    check_size(path, (reduced[0], reduced[1]))
    return reduced[0], reduced[1]


def _load_npy(path: Path, data: bytes) -> np.ndarray:
    dtype, shape, offset = _parse_npy_header(path, data)
    size = _reduce_shape(path, shape)
    if len(data) - offset != math.prod(shape) * dtype.itemsize:  # otherwise NumPy would reserve what the header claims
        raise InputError(f"{path}: not a readable .npy file (truncated, or damaged); save the array again")
    return np.load(io.BytesIO(data), allow_pickle=False).reshape(size)


def _to_levels(path: Path, values: np.ndarray) -> np.ndarray:
    """Return the levels of a map, uint8 (h, w). Raises InputError for floats outside of 0 to 1."""
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    if values.dtype == np.bool_:
        return np.ascontiguousarray(values.view(np.uint8) * 255)
    low, high = float(values.min()), float(values.max())  # NaN if there is one
    if not (low >= 0 and high <= 1):
        raise InputError(f"{path}: has values from {low:.9g} to {high:.9g}; save floats from 0 to 1, without NaN")
    return np.ascontiguousarray(np.rint(values.astype(np.float64) * 255).astype(np.uint8))
