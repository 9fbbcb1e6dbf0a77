"""What a stranger may hand over: broken image files, and how a command must answer to what it cannot take."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from click.testing import CliRunner
from PIL import Image
from png_writer import chunk

from disbench.cli.main import main

HEIGHT, WIDTH = 24, 32
TRUTH = np.where(np.hypot(*np.mgrid[-12:12, -16:16]) < 8, 255, 0).astype(np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH), np.uint8)
COLOURS = np.dstack([NOISE, NOISE[::-1], 255 - NOISE])


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def refused(result, *words):
    """One clear line with these words in it and exit status 2, no traceback."""
    assert isinstance(result.exception, SystemExit), (result.output, result.exception)
    assert result.exit_code == 2, result.output
    line, end = result.stderr[:-1], result.stderr[-1:]
    assert line.startswith("disbench: ")
    assert line.isprintable() and end == "\n", line
    for word in words:
        assert word in line, line


def accepted(result):
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def files(folder="."):
    """Path -> bytes of all that is under a folder, to see that a command left it as it was."""
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def nothing_half():
    """No run counts as complete, no report was begun, nothing is left of a file that was being written."""
    for path in Path.cwd().rglob("*"):
        assert path.suffix not in {".part", ".parquet", ".html", ".tex"}, path
        assert path.name != "run.json" or b'"complete": false' in path.read_bytes(), path


def data_set(folder, stem="b"):
    """folder/{im,gt,maps} with the images a and `stem`."""
    for kind, suffix, pixels in (
        ("im", ".jpg", cv2.merge([TRUTH // 2 + 40] * 3)),
        ("gt", ".png", TRUTH),
        ("maps", ".png", TRUTH),
    ):
        (Path(folder) / kind).mkdir(parents=True)
        for name in ("a", stem):
            (Path(folder) / kind / f"{name}{suffix}").write_bytes(opencv(suffix, pixels))
    return Path(folder)


def png(width, height, stream=None, depth=8, colour=0, interlace=0, before=b""):
    """A PNG whose header says what it is told to, around a zlib stream; zeros of WIDTH x HEIGHT if not given."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    stream = zlib.compress(bytes((WIDTH + 1) * HEIGHT)) if stream is None else stream
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + chunk(b"IDAT", stream) + chunk(b"IEND", b"")


def pillow(kind, pixels, mode=None, **options):
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(file := io.BytesIO(), kind, **options)
    return file.getvalue()


def opencv(suffix, pixels):
    return cv2.imencode(suffix, pixels)[1].tobytes()


def animated(kind, mode="L"):
    second = Image.fromarray(255 - TRUTH).convert(mode)
    return pillow(kind, TRUTH, mode, save_all=True, append_images=[second])


def bmp(width, height):
    """One of 24 bit whose header claims this size and holds a line of pixels."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 2835, 2835, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 54 + 96, 0, 0, 54) + header + bytes(96)
