"""Read the headers of image files: the format, Pillow's mode and the size."""

import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from disbench.data import jpeg, tiff
from disbench.data.pillow import open_picture
from disbench.errors import InputError
from disbench.system.files import require_regular_file

PNG, JPEG, TIFF, BMP, WEBP = "PNG", "JPEG", "TIFF", "BMP", "WEBP"  # as Pillow names them
EXTENSIONS = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
HEADER_BYTES = 33  # of a PNG: its signature and its first chunk
_HEADER = struct.Struct(">8sI4sIIBBBBBI")
_FIXED = [b"\x89PNG\r\n\x1a\n", 13, b"IHDR"]
_GREY = {1: "1", 8: "L"}  # bits per pixel -> Pillow's mode
_PIXELS = 1 << 26  # beyond this size, Pillow decides whether a file may be so large
_OPENCV_PIXELS = 1 << 30


def read_header(path: Path) -> tuple[str, tuple[int, int]]:
    """Return Pillow's mode and (height, width) of an image file, without decoding it."""
    try:
        with require_regular_file(path).open("rb") as file:
            return parse_header(path, file)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; check the file") from None


def parse_header(path: Path, file: IO[bytes]) -> tuple[str, tuple[int, int]]:
    """Return Pillow's mode and (height, width) of an opened image. `path` is for messages."""
    start = file.read(HEADER_BYTES)
    kind = identify_format(path, start)
    if kind == PNG and (header := _parse_grey_header(start)):
        return header
    if kind == JPEG:
        try:
            header = jpeg.read_jpeg_header(file)
        except ValueError as error:
            raise InputError(f"{path}: not a readable image ({error}); replace the file") from None
        check_size(path, header[1])
        return header
    file.seek(0)
    return _read_pillow_header(path, kind, file)


def identify_format(path: Path, start: bytes) -> str:
    """Return the format of a file by its first bytes, whatever its name. InputError for any other format."""
    if start[:8] == _FIXED[0]:
        return PNG
    if start[:3] == jpeg.SIGNATURE:
        return JPEG
    if start[:4] in tiff.SIGNATURES:
        return TIFF
    if start[:2] == b"BM":
        return BMP
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return WEBP
    raise InputError(f"{path}: not a readable image (not BMP, JPEG, PNG, TIFF or WebP, or empty); save it as PNG")


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


def _read_pillow_header(path: Path, kind: str, file: IO[bytes]) -> tuple[str, tuple[int, int]]:
    from PIL import UnidentifiedImageError
    from PIL.Image import DecompressionBombError

    try:
        with open_picture(file, (kind,), strict=False) as image:
            if kind == TIFF:  # Pillow swaps the sides of a turned picture
                return image.mode, (image.tag_v2[tiff.HEIGHT], image.tag_v2[tiff.WIDTH])
            return image.mode, (image.height, image.width)
    except DecompressionBombError as error:
        raise InputError(f"{path}: not a readable image, as it is too large ({error}); reduce it") from None
    except UnidentifiedImageError:
        if kind == TIFF:  # whose tags say why Pillow does not know it
            file.seek(0)
            tiff.prepare_tiff(path, np.frombuffer(file.read(), np.uint8))
        raise InputError(
            f"{path}: not a readable image (truncated, damaged or unknown to Pillow); replace the file"
        ) from None
    except Exception as error:  # damaged bytes can make Pillow raise anything
        reason = (str(error).splitlines() or [type(error).__name__])[0].strip()
        raise InputError(f"{path}: not a readable image ({reason}); replace the file") from None


def check_size(path: Path, size: tuple[int, int]) -> None:
    """Raise InputError for a picture that Pillow would refuse as too large."""
    if size[0] * size[1] <= _PIXELS:
        return
    from PIL import Image

    limit = 2 * (Image.MAX_IMAGE_PIXELS or _OPENCV_PIXELS // 2)
    if size[0] * size[1] > limit:
        raise InputError(
            f"{path}: not a readable image, as it is too large ({size[1]} x {size[0]} pixels, at most {limit}); "
            "reduce it"
        )


