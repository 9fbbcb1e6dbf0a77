"""Reading images, truths and maps for what they are: never rotated by EXIF, never silently clipped or emptied.

OpenCV decodes; Pillow reads the header, which tells a 1-bit, palette, 16-bit or RGBA mask apart, and decodes, to the
same pixels, the PNGs of which OpenCV's libpng would print a line of its own.
"""

import struct
import sys
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np

from disbench.data.png_chunks import DEPTH, SEVERAL, is_png, keep_essential_chunks
from disbench.errors import InputError
from disbench.system.files import write_atomic

EXTENSIONS = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
_FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")  # of all, Pillow would also run PostScript, whatever the file's name
_HEADER = struct.Struct(">8sI4sIIBBBBBI")  # of a PNG, with its first chunk
_FIXED = [b"\x89PNG\r\n\x1a\n", 13, b"IHDR"]
_MANY = (b"II*\0", b"II+\0", b"MM\0*", b"MM\0+", b"RIFF")  # TIFF and WebP, which may hold several pictures
_GREY = {1: "1", 8: "L"}  # depth -> mode
_PIXELS = 1 << 26  # of more, Pillow is asked whether it takes them
_COLOURS = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
_AS_STORED = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION


def read_header(path: Path) -> tuple[str, tuple[int, int]]:
    """Pillow's mode and (height, width) of an image file, without decoding it."""
    if found := _grey_png(path):
        return found
    from PIL import Image

    try:
        with Image.open(path, formats=_FORMATS) as image:
            return image.mode, (image.height, image.width)
    except Exception as error:  # Pillow fails on damaged bytes in whatever way they lead it to
        raise InputError(f"{path}: not a readable image ({error}); replace the file") from None


def read_image(path: Path) -> np.ndarray:
    """An image as uint8 (h, w, 3) RGB; an alpha channel is dropped, 16 bits become 8."""
    return _decode(path, _COLOURS)


def read_truth(path: Path) -> np.ndarray:
    """A ground truth as uint8 (h, w); a mask stored as 0 and 1 becomes 0 and 255."""
    grey = read_map(path)
    return grey * 255 if grey.max() == 1 else grey


def read_map(path: Path) -> np.ndarray:
    """A prediction map as uint8 (h, w), 0..255.

    8-bit grey is taken as it is; 1-bit, grey palettes, equal channels, opaque alpha and full-range 16-bit are converted
    without loss of meaning; anything else is an InputError, since readers of this field disagree on it.
    """
    mode, _ = read_header(path)
    if mode in {"1", "L"} and (grey := _decode_sooner(path)) is not None:
        return grey
    if mode == "L" or (mode == "1" and _grey_png(path)):
        return _decode(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    if mode.startswith("I"):
        return _from_16_bit(path)
    if mode not in {"1", "P", "PA", "LA", "RGB", "RGBA"}:
        raise InputError(f"{path}: cannot read a {mode} image as a mask; save it as 8-bit grey")
    data, file = _read(path), path
    if is_png(data):
        file, deep = BytesIO(keep_essential_chunks(path, data)[0]), data[DEPTH] == 16
    elif mode == "1":
        _check_single(path, data)
        deep = False
    else:
        deep = _decode(path, _AS_STORED).dtype != np.uint8
    if deep:
        raise InputError(f"{path}: a 16-bit mask of several channels; save it as 8-bit grey")
    from PIL import Image

    try:
        with Image.open(file, formats=_FORMATS) as image:
            channels = np.asarray(image.convert("RGBA"))
    except Exception as error:  # as above
        raise InputError(f"{path}: cannot be decoded ({error}); replace the file") from None
    if (channels[..., 3] != 255).any():
        raise InputError(f"{path}: is the mask in its alpha or in its colours? Save it as 8-bit grey")
    if (channels[..., :1] != channels[..., 1:3]).any():
        raise InputError(f"{path}: a mask in colours (mode {mode}); save it as 8-bit grey")
    return np.ascontiguousarray(channels[..., 0])


def write_map(path: Path, mask: np.ndarray) -> None:
    """Save a uint8 (h, w) map as PNG, whole or not at all."""
    write_atomic(path, encode_map(mask))


def encode_map(mask: np.ndarray) -> bytes:
    """A uint8 (h, w) map as a PNG file's bytes."""
    return cv2.imencode(".png", mask, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def _grey_png(path: Path) -> tuple[str, tuple[int, int]] | None:
    """The header of a grey PNG, as maps and truths nearly always are, in half of Pillow's time; else None."""
    try:
        with path.open("rb") as file:
            start = file.read(_HEADER.size)
    except OSError:  # which Pillow tells
        return None
    if len(start) < _HEADER.size:
        return None
    *fixed, width, height, depth, colour, compression, filters, interlaced, checksum = _HEADER.unpack(start)
    grey = (colour, compression, filters) == (0, 0, 0) and depth in _GREY and interlaced in (0, 1)
    if fixed != _FIXED or not grey or not 0 < width * height <= _PIXELS or checksum != zlib.crc32(start[12:29]):
        return None
    return _GREY[depth], (height, width)


def _from_16_bit(path: Path) -> np.ndarray:
    stored = _decode(path, _AS_STORED)
    if stored.dtype != np.uint16 or stored.ndim != 2:
        raise InputError(f"{path}: cannot read {stored.dtype} values as a mask; save it as 8-bit grey")
    if 0 < stored.max() < 256:
        raise InputError(f"{path}: a 16-bit file with values below 256 only; save it as 8-bit grey")
    return ((stored.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _read(path: Path) -> np.ndarray:
    try:
        return np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None


def _decode_sooner(path: Path) -> np.ndarray | None:
    """What the other decoders would return, or None; only if Numba is loaded, which takes the time of many maps."""
    if "numba" not in sys.modules:
        return None
    from disbench.data.png import decode_grey

    return decode_grey(_read(path))


def _check_single(path: Path, data: np.ndarray) -> None:
    """InputError for a file of several pictures, of which each decoder takes another."""
    if not data[:4].tobytes().startswith(_MANY):
        return
    from PIL import Image

    try:
        with Image.open(path, formats=_FORMATS) as image:
            several = getattr(image, "n_frames", 1) > 1
    except Exception:  # its decoder tells
        return
    if several:
        raise InputError(f"{path}: {SEVERAL}")


def _decode(path: Path, flags: int) -> np.ndarray:
    data = _read(path)
    if is_png(data):
        chunks, clean = keep_essential_chunks(path, data)
        if not clean:
            return _decode_png(path, chunks, flags == _COLOURS)
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


def _decode_png(path: Path, data: bytes, colours: bool) -> np.ndarray:
    """RGB, or grey of 8 or of 16 bits, as OpenCV returns it, but by Pillow, which prints nothing."""
    from PIL import Image

    try:
        with Image.open(BytesIO(data), formats=("PNG",)) as image:
            if not image.mode.startswith("I"):
                mode = "RGBA" if image.mode == "P" else "RGB"  # of a palette with alpha, RGB would come with a warning
                return np.array(image.convert(mode))[..., :3] if colours else np.array(image.convert("L"))
            stored = np.array(image).astype(np.uint16)
    except Exception as error:  # as in `header`
        raise InputError(f"{path}: cannot be decoded ({error}); replace the file") from None
    return np.dstack([(stored >> 8).astype(np.uint8)] * 3) if colours else stored
