"""Read images, truths and maps faithfully: never rotated by EXIF, never silently clipped or emptied.

OpenCV decodes. Before that, each format's own module checks the file. libjpeg, libpng and libtiff would otherwise print
a warning about damage, which no thread can attribute to its file, and return pixels that are not in the file. Pillow
reads the headers, which distinguish 1-bit, palette, 16-bit and RGBA masks. Pillow also decodes, to the same pixels, the
PNGs about which OpenCV's libpng would print a warning, and what OpenCV does not decode. docs/data.md has a table of all
formats.
"""

import os
import struct
import sys
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from disbench.data import jpeg, tiff
from disbench.data.hashing import check_digest
from disbench.data.headers import BMP, HEADER_BYTES, JPEG, PNG, TIFF, WEBP, check_size, identify_format, parse_header
from disbench.data.pillow import open_picture
from disbench.data.png_chunks import DEPTH, SEVERAL, keep_essential_chunks
from disbench.data.png_encoder import encode_grey
from disbench.errors import InputError
from disbench.metrics.validate import scale_truth
from disbench.system.files import require_regular_file, write_atomic

_BMP_DEPTH = 28  # offset in a BMP of the bits per pixel
_COLOURS = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
_AS_STORED = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION

# OpenCV's log repeats what an InputError says, without the name of the file.
if os.environ.get("OPENCV_LOG_LEVEL", "OFF") == "OFF":
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class _File(NamedTuple):
    """A checked file, ready for the decoders.

    Attributes:
        path: the file, for messages.
        kind: its format, as Pillow names it.
        data: its bytes, uint8 (n,), without what could make a decoder print a warning.
        by_pillow: OpenCV would print a warning, or return other levels.
        inverted: decoders return 0 for white in 16 bits.
    """

    path: Path
    kind: str
    data: np.ndarray
    by_pillow: bool = False
    inverted: bool = False


def read_image(path: Path, digest: str | None = None) -> np.ndarray:
    """Read an image as uint8 (h, w, 3) RGB. An alpha channel is dropped, and 16 bits become 8.

    Raises InputError for a file that cannot be decoded, and for one without the digest of hash_file(), if given.
    """
    return _decode(_open(path, read_bytes(path, digest)), _COLOURS)


def read_truth(path: Path, digest: str | None = None, kind: str = "binary") -> np.ndarray:
    """Read a ground truth as uint8 (h, w). A mask stored as 0 and 1 becomes 0 and 255.

    Raises InputError as read_map() does, and if the largest level is between 2 and 128. A mask of zeros is empty.
    A truth of the kind "alpha" is soft. Its levels are shares of 255, read as they are, whatever the largest is.
    """
    mode, grey = _read_grey(path, digest)
    if kind == "alpha":
        return grey
    return scale_truth(f"{path}", grey, has_8_bits=not mode.startswith("I"))


def read_map(path: Path, digest: str | None = None) -> np.ndarray:
    """Read a prediction map as uint8 (h, w), 0..255.

    8-bit grey is returned unchanged. 1-bit images, grey palettes, equal channels, opaque alpha and full-range 16-bit
    images are converted without loss. Raises InputError for anything else, because readers in this field disagree
    about it, and for a file without the digest of hash_file(), if given.
    """
    return _read_grey(path, digest)[1]


def _read_grey(path: Path, digest: str | None) -> tuple[str, np.ndarray]:
    """Return Pillow's mode of a file, and its levels as uint8 (h, w)."""
    data = read_bytes(path, digest)
    mode, _ = parse_header(path, BytesIO(data))
    if mode in {"1", "L"} and (grey := _decode_fast(data)) is not None:
        return mode, grey
    if mode not in {"1", "L", "P", "PA", "LA", "RGB", "RGBA"} and not mode.startswith("I"):
        raise InputError(f"{path}: cannot read a {mode} image as a mask; save it as 8-bit grey")
    file = _open(path, data)
    is_grey = mode in {"1", "L"} or mode.startswith("I")
    if is_grey and file.kind == PNG and _has_transparent_level(file):
        if mode.startswith("I"):
            raise InputError(f"{path}: a 16-bit mask with a transparent level; save it as 8-bit grey")
        return mode, _read_channels(file, mode)
    if mode == "L" or (mode == "1" and file.kind == PNG):
        return mode, _decode(file, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    return mode, _read_16_bit(file) if mode.startswith("I") else _read_channels(file, mode)


def _has_transparent_level(file: _File) -> bool:
    try:
        with open_picture(BytesIO(file.data), (PNG,)) as image:
            return "transparency" in image.info
    except Exception as error:  # as in read_header
        raise InputError(f"{file.path}: cannot be decoded ({error}); replace the file") from None


def _read_channels(file: _File, mode: str) -> np.ndarray:
    """Read a mask with a palette, several channels or alpha. Raises InputError unless it is grey and opaque."""
    path = file.path
    is_deep = file.data[DEPTH] == 16 if file.kind == PNG else _decode(file, _AS_STORED).dtype != np.uint8
    if is_deep:
        raise InputError(f"{path}: a 16-bit mask of several channels; save it as 8-bit grey")
    try:
        with open_picture(BytesIO(file.data), (file.kind,)) as image:
            channels = np.asarray(image.convert("RGBA"))
    except Exception as error:  # as in read_header
        raise InputError(f"{path}: cannot be decoded ({error}); replace the file") from None
    if (channels[..., 3] != 255).any():
        raise InputError(f"{path}: the mask may be in its alpha or in its colours; save it as 8-bit grey")
    if (channels[..., :1] != channels[..., 1:3]).any():
        raise InputError(f"{path}: a mask in colours (mode {mode}); save it as 8-bit grey")
    return np.ascontiguousarray(channels[..., 0])


def check_photo(path: Path) -> None:
    """Check a picture that Pillow will decode. Raises InputError or ValueError for a damaged JPEG or TIFF."""
    data = read_bytes(path, None)
    start = data[:4].tobytes()
    if start[:3] == jpeg.SIGNATURE:
        jpeg.read_jpeg_header(BytesIO(data))
        jpeg.keep_essential_segments(path, data)
    elif start in tiff.SIGNATURES:
        tiff.check_tiff(path, data.tobytes())


def write_map(path: Path, prediction: np.ndarray) -> None:
    """Write a map, uint8 (h, w), as PNG, atomically."""
    write_atomic(path, encode_grey(prediction))


def _read_16_bit(file: _File) -> np.ndarray:
    """Read a 16-bit grey mask, rounded to 8 bits. Raises InputError if it may be an 8-bit mask in a 16-bit file."""
    path, stored = file.path, _decode(file, _AS_STORED)
    if stored.dtype != np.uint16 or stored.ndim != 2:
        raise InputError(f"{path}: cannot read {stored.dtype} values as a mask; save it as 8-bit grey")
    if 0 < stored.max() < 256:
        raise InputError(f"{path}: a 16-bit file with values below 256 only; save it as 8-bit grey")
    return ((stored.astype(np.uint32) + 128) // 257).astype(np.uint8)


def read_bytes(path: Path, digest: str | None = None) -> np.ndarray:
    """Read the bytes of a file, uint8 (n,). InputError if that is impossible, or they have another digest."""
    try:
        data = np.fromfile(require_regular_file(path), np.uint8)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; check the file") from None
    check_digest(path, data.data, digest)  # of these bytes, since the file may change at any time
    return data


def _decode_fast(data: np.ndarray) -> np.ndarray | None:
    """Decode a grey PNG with compiled loops, to the same pixels as the other decoders; None if that is impossible.

    This is done only if Numba is loaded already, because loading it takes as long as decoding many maps.
    """
    if "numba" not in sys.modules:
        return None
    from disbench.data.png import decode_grey

    return decode_grey(data)


def _open(path: Path, data: np.ndarray) -> _File:
    """Check the bytes of a file for what its decoder would only warn of. Raises InputError for damage."""
    if not data.size:
        raise InputError(f"{path}: cannot be decoded (empty); replace the file")
    kind = identify_format(path, data[:HEADER_BYTES].tobytes())
    if kind == PNG:
        check_size(path, struct.unpack_from(">II", data, 16) if data.size >= HEADER_BYTES else (0, 0))
        chunks, clean = keep_essential_chunks(path, data)
        return _File(path, kind, np.frombuffer(chunks, np.uint8), by_pillow=not clean)
    parse_header(path, BytesIO(data))  # which refuses large pictures and rare kinds with a reason
    if kind == JPEG:
        return _File(path, kind, np.frombuffer(jpeg.keep_essential_segments(path, data), np.uint8))
    if kind == TIFF:
        prepared = tiff.prepare_tiff(path, data)
        return _File(path, kind, prepared.data, inverted=prepared.inverted)
    if kind == WEBP:
        _check_single(path, data)
    # OpenCV would not use all of 255 levels.
    return _File(path, kind, data, by_pillow=kind == BMP and data[_BMP_DEPTH : _BMP_DEPTH + 1].tolist() == [16])


def _check_single(path: Path, data: np.ndarray) -> None:
    """Raise InputError for a file of several pictures, because decoders differ in which one they return."""
    try:
        with open_picture(BytesIO(data), (WEBP,)) as image:
            has_several = getattr(image, "n_frames", 1) > 1
    except Exception:  # the decoder will report the fault
        return
    if has_several:
        raise InputError(f"{path}: {SEVERAL}")


def _decode(file: _File, flags: int) -> np.ndarray:
    """Decode a file as OpenCV does with these flags. Raises InputError for what cannot be decoded."""
    pixels = None
    if not file.by_pillow:
        with suppress(cv2.error):  # raised for a header that claims more pixels than OpenCV allows
            pixels = cv2.imdecode(file.data, flags)
    if pixels is None and (file.by_pillow or file.kind == TIFF):  # OpenCV does not read tiles of 16 pixels
        return _decode_with_pillow(file, in_colour=flags == _COLOURS)
    if pixels is None:
        raise InputError(f"{file.path}: cannot be decoded (truncated, or damaged); replace the file")
    # OpenCV inverts what it converts to 8 bits.
    return np.invert(pixels) if file.inverted and pixels.dtype == np.uint16 else pixels


def _decode_with_pillow(file: _File, *, in_colour: bool) -> np.ndarray:
    """Decode a file as OpenCV does, with Pillow, which prints nothing: RGB, or grey of 8 or 16 bits."""
    try:
        with open_picture(BytesIO(file.data), (file.kind,)) as image:
            if not image.mode.startswith("I"):
                if not in_colour:
                    return np.array(image.convert("L"))
                # Converting a palette with alpha to RGB would raise a warning.
                mode = "RGBA" if image.mode == "P" else "RGB"
                return np.array(image.convert(mode))[..., :3]
            stored = np.array(image).astype(np.uint16)
            if file.inverted:
                stored = ~stored
    except Exception as error:  # as in read_header
        raise InputError(f"{file.path}: cannot be decoded ({error}); replace the file") from None
    return np.dstack([(stored >> 8).astype(np.uint8)] * 3) if in_colour else stored
