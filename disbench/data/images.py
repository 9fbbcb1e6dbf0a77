"""Read images, truths and maps faithfully: never rotated by EXIF, never silently clipped or emptied.

OpenCV decodes. Pillow reads the header, which distinguishes 1-bit, palette, 16-bit and RGBA masks. Pillow also decodes,
to the same pixels, the PNGs about which OpenCV's libpng would print a warning.
"""

import struct
import sys
import zlib
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from disbench.data.hashing import check_digest
from disbench.data.png_chunks import DEPTH, SEVERAL, is_png, keep_essential_chunks
from disbench.errors import InputError
from disbench.system.files import write_atomic

EXTENSIONS = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
# By default Pillow would also run PostScript, whatever the file's name.
_FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
_HEADER = struct.Struct(">8sI4sIIBBBBBI")  # signature and first chunk of a PNG
_FIXED = [b"\x89PNG\r\n\x1a\n", 13, b"IHDR"]
_MULTI_PAGE = (b"II*\0", b"II+\0", b"MM\0*", b"MM\0+", b"RIFF")  # TIFF and WebP, which may hold several pictures
_GREY = {1: "1", 8: "L"}  # bits per pixel -> Pillow's mode
_PIXELS = 1 << 26  # beyond this size, Pillow decides whether a file may be so large
_COLOURS = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
_AS_STORED = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION


def read_header(path: Path) -> tuple[str, tuple[int, int]]:
    """Return Pillow's mode and (height, width) of an image file, without decoding it."""
    try:
        with path.open("rb") as file:
            return _parse_header(path, file)
    except OSError as error:
        raise InputError(f"{path}: not a readable image ({error}); replace the file") from None


def read_image(path: Path, digest: str | None = None) -> np.ndarray:
    """Read an image as uint8 (h, w, 3) RGB. An alpha channel is dropped, and 16 bits become 8.

    Raises InputError for a file that cannot be decoded, and for one without the digest of hash_file(), if given.
    """
    return _decode(path, _read(path, digest), _COLOURS)


def read_truth(path: Path, digest: str | None = None) -> np.ndarray:
    """Read a ground truth as uint8 (h, w). A mask stored as 0 and 1 becomes 0 and 255. Raises as `read_map` does."""
    grey = read_map(path, digest)
    return grey * 255 if grey.max() == 1 else grey


def read_map(path: Path, digest: str | None = None) -> np.ndarray:
    """Read a prediction map as uint8 (h, w), 0..255.

    8-bit grey is returned unchanged. 1-bit images, grey palettes, equal channels, opaque alpha and full-range 16-bit
    images are converted without loss. Raises InputError for anything else, because readers in this field disagree
    about it, and for a file without the digest of hash_file(), if given.
    """
    data = _read(path, digest)
    mode, _ = _parse_header(path, BytesIO(data))
    if mode in {"1", "L"} and (grey := _decode_fast(data)) is not None:
        return grey
    if mode == "L" or (mode == "1" and _parse_grey_header(data[: _HEADER.size].tobytes())):
        return _decode(path, data, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    if mode.startswith("I"):
        return _read_16_bit(path, data)
    if mode not in {"1", "P", "PA", "LA", "RGB", "RGBA"}:
        raise InputError(f"{path}: cannot read a {mode} image as a mask; save it as 8-bit grey")
    return _read_channels(path, data, mode)


def _read_channels(path: Path, data: np.ndarray, mode: str) -> np.ndarray:
    """Read a mask with a palette, several channels or alpha. Raises InputError unless it is grey and opaque."""
    file = BytesIO(data)
    if is_png(data):
        file, is_deep = BytesIO(keep_essential_chunks(path, data)[0]), data[DEPTH] == 16
    elif mode == "1":
        _check_single(path, data)
        is_deep = False
    else:
        is_deep = _decode(path, data, _AS_STORED).dtype != np.uint8
    if is_deep:
        raise InputError(f"{path}: a 16-bit mask of several channels; save it as 8-bit grey")
    from PIL import Image

    try:
        with Image.open(file, formats=_FORMATS) as image:
            channels = np.asarray(image.convert("RGBA"))
    except Exception as error:  # as in read_header
        raise InputError(f"{path}: cannot be decoded ({error}); replace the file") from None
    if (channels[..., 3] != 255).any():
        raise InputError(f"{path}: the mask may be in its alpha or in its colours; save it as 8-bit grey")
    if (channels[..., :1] != channels[..., 1:3]).any():
        raise InputError(f"{path}: a mask in colours (mode {mode}); save it as 8-bit grey")
    return np.ascontiguousarray(channels[..., 0])


def write_map(path: Path, prediction: np.ndarray) -> None:
    """Write a map, uint8 (h, w), as PNG, atomically."""
    write_atomic(path, encode_map(prediction))


def encode_map(prediction: np.ndarray) -> bytes:
    """Encode a map, uint8 (h, w), as the bytes of a PNG file."""
    return cv2.imencode(".png", prediction, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def _parse_header(path: Path, file: BinaryIO) -> tuple[str, tuple[int, int]]:
    """Return Pillow's mode and (height, width) of an opened image. `path` is for messages."""
    if header := _parse_grey_header(file.read(_HEADER.size)):
        return header
    from PIL import Image

    try:
        file.seek(0)
        with Image.open(file, formats=_FORMATS) as image:
            return image.mode, (image.height, image.width)
    except Exception as error:  # damaged bytes can make Pillow raise anything
        raise InputError(f"{path}: not a readable image ({error}); replace the file") from None


def _parse_grey_header(start: bytes) -> tuple[str, tuple[int, int]] | None:
    """Parse the header of a grey PNG, as nearly all maps and truths are, in half of Pillow's time.

    Returns None for other files, which Pillow reads.
    """
    if len(start) < _HEADER.size:
        return None
    *fixed, width, height, depth, colour, compression, filters, interlaced, checksum = _HEADER.unpack(start)
    is_grey = (colour, compression, filters) == (0, 0, 0) and depth in _GREY and interlaced in (0, 1)
    if fixed != _FIXED or not is_grey or not 0 < width * height <= _PIXELS or checksum != zlib.crc32(start[12:29]):
        return None
    return _GREY[depth], (height, width)


def _read_16_bit(path: Path, data: np.ndarray) -> np.ndarray:
    """Read a 16-bit grey mask, rounded to 8 bits. Raises InputError if it may be an 8-bit mask in a 16-bit file."""
    stored = _decode(path, data, _AS_STORED)
    if stored.dtype != np.uint16 or stored.ndim != 2:
        raise InputError(f"{path}: cannot read {stored.dtype} values as a mask; save it as 8-bit grey")
    if 0 < stored.max() < 256:
        raise InputError(f"{path}: a 16-bit file with values below 256 only; save it as 8-bit grey")
    return ((stored.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _read(path: Path, digest: str | None) -> np.ndarray:
    try:
        data = np.fromfile(path, np.uint8)
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


def _check_single(path: Path, data: np.ndarray) -> None:
    """Raise InputError for a file of several pictures, because decoders differ in which one they return."""
    if not data[:4].tobytes().startswith(_MULTI_PAGE):
        return
    from PIL import Image

    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as image:
            has_several = getattr(image, "n_frames", 1) > 1
    except Exception:  # the decoder will report the fault
        return
    if has_several:
        raise InputError(f"{path}: {SEVERAL}")


def _decode(path: Path, data: np.ndarray, flags: int) -> np.ndarray:
    """Decode a file as OpenCV does with these flags. Raises InputError for damaged files and several pictures."""
    if is_png(data):
        chunks, clean = keep_essential_chunks(path, data)
        if not clean:
            return _decode_with_pillow(path, chunks, in_colour=flags == _COLOURS)
        data = np.frombuffer(chunks, np.uint8)
    else:
        _check_single(path, data)
    try:
        pixels = cv2.imdecode(data, flags) if data.size else None
    except cv2.error:  # a header that claims more pixels than OpenCV allows
        pixels = None
    if pixels is None:
        raise InputError(f"{path}: cannot be decoded (empty, truncated or not an image); replace the file")
    return pixels


def _decode_with_pillow(path: Path, data: bytes, *, in_colour: bool) -> np.ndarray:
    """Decode a PNG as OpenCV does, with Pillow, which prints nothing: RGB, or grey of 8 or 16 bits."""
    from PIL import Image

    try:
        with Image.open(BytesIO(data), formats=("PNG",)) as image:
            if not image.mode.startswith("I"):
                if not in_colour:
                    return np.array(image.convert("L"))
                # Converting a palette with alpha to RGB would raise a warning.
                mode = "RGBA" if image.mode == "P" else "RGB"
                return np.array(image.convert(mode))[..., :3]
            stored = np.array(image).astype(np.uint16)
    except Exception as error:  # as in read_header
        raise InputError(f"{path}: cannot be decoded ({error}); replace the file") from None
    return np.dstack([(stored >> 8).astype(np.uint8)] * 3) if in_colour else stored
