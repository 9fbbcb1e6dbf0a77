"""Reading images, truths and maps for what they are: never rotated by EXIF, never silently clipped or emptied.

OpenCV decodes; Pillow reads the header, which tells a 1-bit, palette, 16-bit or RGBA mask apart.
"""

import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np

from disbench.errors import InputError
from disbench.files import write_whole

EXTENSIONS = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
_FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")  # of all, Pillow would also run PostScript, whatever the file's name
_HEADER = struct.Struct(">8sI4sIIBBBBBI")  # of a PNG, with its first chunk
_FIXED = [b"\x89PNG\r\n\x1a\n", 13, b"IHDR"]
_MANY = (b"II*\0", b"II+\0", b"MM\0*", b"MM\0+", b"RIFF")  # TIFF and WebP, which may hold several pictures
_GREY = {1: "1", 8: "L"}  # depth -> mode
_PIXELS = 1 << 26  # of more, Pillow is asked whether it takes them
_AS_STORED = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION


def header(path: Path) -> tuple[str, tuple[int, int]]:
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
    return _decode(path, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)


def read_truth(path: Path) -> np.ndarray:
    """A ground truth as uint8 (h, w); a mask stored as 0 and 1 becomes 0 and 255."""
    grey = read_map(path)
    return grey * 255 if grey.max() == 1 else grey


def read_map(path: Path) -> np.ndarray:
    """A prediction map as uint8 (h, w), 0..255.

    8-bit grey is taken as it is; 1-bit, grey palettes, equal channels, opaque alpha and full-range 16-bit are converted
    without loss of meaning; anything else is an InputError, since readers of this field disagree on it.
    """
    mode, _ = header(path)
    if mode in {"1", "L"} and (grey := _decode_sooner(path)) is not None:
        return grey
    if mode == "L" or (mode == "1" and _grey_png(path)):
        return _decode(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    if mode.startswith("I"):
        return _from_16_bit(path)
    if mode not in {"1", "P", "PA", "LA", "RGB", "RGBA"}:
        raise InputError(f"{path}: cannot read a {mode} image as a mask; save it as 8-bit grey")
    if mode == "1":
        _check_whole(path, _read(path))
    elif _decode(path, _AS_STORED).dtype != np.uint8:
        raise InputError(f"{path}: a 16-bit mask of several channels; save it as 8-bit grey")
    from PIL import Image

    try:
        with Image.open(path, formats=_FORMATS) as image:
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
    write_whole(path, encode_map(mask))


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


def _check_whole(path: Path, data: np.ndarray) -> None:
    """InputError for a file of several pictures, of which each decoder takes another, and for a PNG with a damaged
    chunk, of which libpng would print a line of its own."""
    start = data[:8].tobytes()
    if start == _FIXED[0]:
        several, whole = _walk(data)
        if not (several or whole):
            raise InputError(f"{path}: cannot be decoded (truncated, or damaged); replace the file")
    elif start.startswith(_MANY):
        from PIL import Image

        try:
            with Image.open(path, formats=_FORMATS) as image:
                several = getattr(image, "n_frames", 1) > 1
        except Exception:  # its decoder tells
            several = False
    else:
        several = False
    if several:
        raise InputError(f"{path}: an animation, or several pages; save the one that counts as a file of its own")


def _walk(png: np.ndarray) -> tuple[bool, bool]:
    """Whether a PNG is animated, and whether all its chunks are whole."""
    at = 8
    while at + 12 <= png.size:
        length, kind = struct.unpack_from(">I4s", png, at)
        end = at + 8 + length
        if png[end : end + 4].tobytes() != zlib.crc32(png[at + 4 : end]).to_bytes(4):
            return False, False
        if kind in (b"acTL", b"IEND"):
            return kind == b"acTL", True
        at = end + 4
    return False, False


def _decode(path: Path, flags: int) -> np.ndarray:
    data = _read(path)
    _check_whole(path, data)
    try:
        pixels = cv2.imdecode(data, flags) if data.size else None
    except cv2.error:  # a header that claims more pixels than OpenCV allows
        pixels = None
    if pixels is None:
        raise InputError(f"{path}: cannot be decoded (empty, truncated or not an image); replace the file")
    return pixels
