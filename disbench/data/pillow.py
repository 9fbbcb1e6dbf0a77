"""Open files with Pillow: only formats from a list, and without a word on standard error."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

# Without a list, Pillow would also hand PostScript to Ghostscript, whatever the file's name.
FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
PHOTO_FORMATS = (*FORMATS, "AVIF", "GIF", "JPEG2000", "MPO")
# warnings.catch_warnings() changes the whole process, so threads must take turns.
_turns = threading.Lock()


@contextmanager
def open_picture(file: "Path | IO[bytes]", formats: tuple[str, ...] = FORMATS, *, strict: bool = True) -> Iterator[Any]:
    """Open a picture with Pillow.

    Args:
        file: the file.
        formats: the formats to accept, as Pillow names them.
        strict: raise Pillow's warnings as errors. False: ignore them.

    Yields:
        The picture, a PIL.Image.Image. It must be decoded inside the block.
    """
    from PIL import Image

    if not Image.OPEN.keys() >= set(formats):
        Image.init()  # loads all formats; Pillow fails on the name of one that it was built without
    available = [name for name in formats if name in Image.OPEN]
    with _turns, warnings.catch_warnings():
        # Pillow refuses larger pictures by itself; its warning says only that one is half as large.
        warnings.filterwarnings("error" if strict else "ignore", category=UserWarning, module=r"PIL\.")
        warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
        with Image.open(file, formats=available) as picture:
            yield picture
