"""Every row of the table of formats in docs/data.md is a file here, which is read or refused as the row says."""

import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from png_writer import png
from tiff_writer import tiff

from disbench.data.headers import read_header
from disbench.data.images import read_image, read_map
from disbench.errors import InputError

DOCS = Path(__file__).parents[2] / "docs" / "data.md"
GREY = np.random.default_rng(0).integers(0, 256, (40, 56), np.uint8)
GREY[:8] = 255
GREY3 = np.dstack([GREY] * 3)
BITS = np.where(GREY > 100, 255, 0).astype(np.uint8)
BITS3 = np.dstack([BITS] * 3)
COLOURS = np.dstack([GREY, GREY[::-1], 255 - GREY])
FEW = COLOURS // 128 * 255  # 8 colours
DEEP, DEEP_COLOURS = GREY.astype(np.uint16) * 257, COLOURS.astype(np.uint16) * 257
HEIGHT, WIDTH = GREY.shape
LOSSY = "lossy"  # the pixels are compared with those of libjpeg or libwebp, through Pillow


def pillow(kind, pixels, mode=None, **options):
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(file := io.BytesIO(), kind, **options)
    return file.getvalue()


def alpha(colours, level):
    return np.dstack([colours, np.full(colours.shape[:2], level, np.uint8)])


def few_bits(depth, interlace=0):
    """A PNG of 2 or 4 bits, and the levels that they stand for."""
    levels = GREY >> (8 - depth)
    bits = np.unpackbits(levels[..., None], axis=2)[..., -depth:].reshape(HEIGHT, -1)
    lines = b"".join(b"\0" + row.tobytes() for row in np.packbits(bits, axis=1))
    data = png(zlib.compress(lines), WIDTH, HEIGHT, depth, 0, interlace)
    return data, np.dstack([levels * (255 // (2**depth - 1))] * 3)


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def interlaced():
    lines = b""
    for x, y, dx, dy in ADAM7:
        lines += b"".join(b"\0" + row.tobytes() for row in GREY[y::dy, x::dx])
    return png(zlib.compress(lines), WIDTH, HEIGHT, 8, 0, 1)


def palette_with_transparency():
    image = Image.fromarray(FEW).quantize(8)
    image.save(file := io.BytesIO(), "png", transparency=0)
    return file.getvalue()


def jpeg(pixels=GREY3, mode=None, **options):
    return pillow("jpeg", pixels, mode, **options)


def turned(kind, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6
    return pillow(kind, pixels, exif=exif)


def other_process(frame, precision=8):
    """A JPEG whose frame header claims another process of the standard."""
    data = bytearray(jpeg())
    at = data.index(b"\xff\xc0\0\x11\x08")
    data[at + 1], data[at + 4] = frame, precision
    return bytes(data)


def ycck():
    data = bytearray(jpeg(COLOURS, "CMYK"))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


def bmp(depth, pixels, masks=()):
    rows = b"".join(row.tobytes() + bytes(-row.nbytes % 4) for row in pixels[::-1])
    after = 54 + 4 * len(masks)
    header = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, depth, 3 if masks else 0, len(rows), 0, 0, 0, 0)
    start = struct.pack("<2sIHHI", b"BM", after + len(rows), 0, 0, after)
    return start + header + struct.pack(f"<{len(masks)}I", *masks) + rows


FIVES = GREY.astype(np.uint16) >> 3
FIVES3 = np.dstack([(FIVES * 255 // 31).astype(np.uint8)] * 3)
RGBA = np.dstack([COLOURS, GREY[:, ::-1]])
MULTIPLIED = np.round(COLOURS.astype(float) * RGBA[..., 3:] / 255).astype(np.uint8)
WEBP = {"lossless": True, "exact": True}
PAGES = {"save_all": True, "append_images": [Image.fromarray(255 - GREY)]}
TIFF_GREY = tiff(GREY)
BIG = png(zlib.compress(b"\0"), 20000, 20000)

# row of the table: bytes, the image that is read, whether a mask is read; None: refused
FILES = {
    "PNG, 1-bit grey": (pillow("png", BITS > 0), BITS3, True),
    "PNG, 2-bit grey": (*few_bits(2), True),
    "PNG, 4-bit grey": (*few_bits(4), True),
    "PNG, 8-bit grey": (pillow("png", GREY), GREY3, True),
    "PNG, 16-bit grey": (pillow("png", DEEP), GREY3, True),
    "PNG, 16-bit grey, no level above 255": (pillow("png", DEEP // 257), GREY3 * 0, None),
    "PNG, palette of greys": (pillow("png", GREY, "P"), GREY3, True),
    "PNG, palette of colours": (pillow("png", FEW, "P"), FEW, None),
    "PNG, palette with transparency": (palette_with_transparency(), FEW, None),
    "PNG, grey and opaque alpha": (pillow("png", GREY, "LA"), GREY3, True),
    "PNG, grey and alpha": (pillow("png", np.dstack([GREY, GREY]), None), GREY3, None),
    "PNG, RGB with equal channels": (pillow("png", GREY3), GREY3, True),
    "PNG, RGB": (pillow("png", COLOURS), COLOURS, None),
    "PNG, RGB and alpha": (pillow("png", RGBA), COLOURS, None),
    "PNG, 16-bit RGB": (cv2.imencode(".png", DEEP_COLOURS[..., ::-1])[1].tobytes(), COLOURS, None),
    "PNG, interlaced": (interlaced(), GREY3, True),
    "PNG, animated": (pillow("png", GREY, **PAGES), None, None),
    "JPEG, grey": (jpeg(GREY), LOSSY, True),
    "JPEG, colours": (jpeg(COLOURS), LOSSY, None),
    "JPEG, colours that are equal": (jpeg(np.full_like(GREY3, 255)), LOSSY, True),
    "JPEG, progressive": (jpeg(GREY, progressive=True), LOSSY, True),
    "JPEG, CMYK": (jpeg(COLOURS, "CMYK"), (HEIGHT, WIDTH, 3), None),
    "JPEG, YCCK": (ycck(), (HEIGHT, WIDTH, 3), None),
    "JPEG, with EXIF rotation": (turned("jpeg", GREY), LOSSY, True),
    "JPEG, arithmetic-coded": (other_process(0xC9), None, None),
    "JPEG, lossless": (other_process(0xC3), None, None),
    "JPEG, 12-bit": (other_process(0xC1, precision=12), None, None),
    "BMP, 1-bit": (pillow("bmp", BITS > 0), BITS3, True),
    "BMP, 8-bit grey": (pillow("bmp", GREY), GREY3, True),
    "BMP, palette of colours": (pillow("bmp", FEW, "P"), FEW, None),
    "BMP, 16-bit (5-5-5)": (bmp(16, FIVES << 10 | FIVES << 5 | FIVES), FIVES3, True),
    "BMP, 16-bit (5-6-5)": (
        bmp(16, FIVES << 11 | FIVES << 6 | FIVES, (0xF800, 0x7E0, 0x1F)),
        np.dstack([FIVES3[..., 0], (FIVES * 2 * 255 // 63).astype(np.uint8), FIVES3[..., 0]]),
        None,
    ),
    "BMP, 24-bit": (pillow("bmp", COLOURS), COLOURS, None),
    "BMP, 32-bit": (bmp(32, RGBA[..., [2, 1, 0, 3]]), COLOURS, None),
    "TIFF, 1-bit": (pillow("tiff", BITS > 0), BITS3, True),
    "TIFF, 4-bit": (tiff(GREY, tag_258=4), None, None),
    "TIFF, 8-bit grey": (TIFF_GREY, GREY3, True),
    "TIFF, 8-bit grey, 0 is white": (tiff(GREY, tag_262=0), 255 - GREY3, True),
    "TIFF, 16-bit grey": (tiff(DEEP), GREY3, True),
    "TIFF, 16-bit grey, 0 is white": (tiff(DEEP, tag_262=0), 255 - GREY3, True),
    "TIFF, 12-bit grey": (tiff(DEEP, tag_258=12), None, None),
    "TIFF, 32-bit": (tiff(GREY.astype(np.uint32)), None, None),
    "TIFF, signed": (tiff(GREY, tag_339=2), None, None),
    "TIFF, floating point": (tiff(GREY.astype(np.float32), tag_339=3), None, None),
    "TIFF, palette of colours": (pillow("tiff", FEW, "P"), FEW, None),
    "TIFF, RGB": (tiff(COLOURS), COLOURS, None),
    "TIFF, RGB and alpha": (tiff(RGBA, tag_262=2, tag_338=2), MULTIPLIED, None),
    "TIFF, 16-bit RGB": (tiff(DEEP_COLOURS), COLOURS, None),
    "TIFF, CMYK": (pillow("tiff", COLOURS, "CMYK"), COLOURS, None),
    "TIFF, YCbCr, not JPEG": (tiff(COLOURS, tag_262=6), None, None),
    "TIFF, Lab": (pillow("tiff", COLOURS, "LAB"), (HEIGHT, WIDTH, 3), None),
    "TIFF, with an orientation": (tiff(GREY, tag_274=6), GREY3, True),
    "TIFF, tiles": (tiff(COLOURS, tile=32), COLOURS, None),
    "TIFF, tiles of 16 pixels": (tiff(GREY, tile=16), GREY3, True),
    "TIFF, BigTIFF": (tiff(GREY, big=True), GREY3, True),
    "TIFF, LZW": (pillow("tiff", GREY, compression="tiff_lzw"), GREY3, True),
    "TIFF, Deflate": (pillow("tiff", GREY, compression="tiff_adobe_deflate"), GREY3, True),
    "TIFF, PackBits": (pillow("tiff", GREY, compression="packbits"), GREY3, True),
    "TIFF, JPEG": (pillow("tiff", COLOURS, compression="jpeg"), (HEIGHT, WIDTH, 3), None),
    "TIFF, fax (CCITT)": (pillow("tiff", BITS > 0, compression="group4"), None, None),
    "TIFF, other compression": (tiff(GREY, tag_259=50000), None, None),
    "TIFF, a plane for each channel": (
        tiff(COLOURS, parts=[plane.tobytes() for plane in COLOURS.transpose(2, 0, 1)], tag_284=2), None, None
    ),
    "TIFF, several pages": (pillow("tiff", GREY, **PAGES), None, None),
    "WebP, lossless": (pillow("webp", GREY3, **WEBP), GREY3, True),
    "WebP, lossy": (pillow("webp", COLOURS), LOSSY, None),
    "WebP, with alpha": (pillow("webp", RGBA, **WEBP), COLOURS, None),
    "WebP, animated": (pillow("webp", GREY, **PAGES), None, None),
    "GIF": (pillow("gif", GREY), None, None),
    "JPEG 2000": (pillow("jpeg2000", GREY), None, None),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 56 40\n%%EndComments\nshowpage\n", None, None),
    "any other format": (pillow("ppm", COLOURS), None, None),
    "more than 178,956,970 pixels": (BIG, None, None),
    "damaged or truncated": (pillow("png", GREY)[:-20], None, None),
    "empty": (b"", None, None),
}  # fmt: skip


def read_table():
    """Row -> (as an image, as a mask) of the table in docs/data.md."""
    lines = DOCS.read_text("utf-8").split("| file | as an image | as a mask |")[1].splitlines()[2:]
    rows = {}
    for line in lines:
        if not line.startswith("|"):
            break
        name, image, mask = (cell.strip() for cell in line.strip("|").split("|")[:3])
        assert name not in rows
        rows[name] = image, mask
    return rows


def test_the_table_has_exactly_these_rows():
    assert list(read_table()) == [*FILES, "a pipe, socket or device", "a broken link"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.png"  # the suffix decides nothing


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("row", FILES)
def test_a_file_is_read_or_refused_as_its_row_says(path, row, capfd):
    data, image, mask = FILES[row]
    path.write_bytes(data)
    as_image, as_mask = read_table()[row]
    for read, expected, cell in ((read_image, image, as_image), (read_map, mask, as_mask)):
        if expected is None:
            assert cell.startswith("refused")
            with pytest.raises(InputError, match=r"file\.png: .*; \w+"):  # the fault, and what to do
                read(path)
        else:
            assert cell.startswith("read")
            pixels = read(path)
            assert pixels.dtype == np.uint8
            assert pixels.shape[:2] == read_header(path)[1]
            if read is read_map:  # a mask has the levels of the image, where both are exact
                assert pixels.ndim == 2
                assert image is LOSSY or np.array_equal(pixels, image[..., 0])
            elif isinstance(image, tuple):
                assert pixels.shape == image
            elif image is LOSSY:
                with Image.open(io.BytesIO(data)) as opened:
                    assert np.abs(pixels - np.asarray(opened.convert("RGB"), np.int16)).max() <= 1
            else:
                assert np.array_equal(pixels, image)
    assert capfd.readouterr() == ("", "")


def test_a_pipe_and_a_broken_link_are_refused(path):
    os.mkfifo(path)
    for read in (read_header, read_image, read_map):
        with pytest.raises(InputError, match=r"file\.png: a pipe, socket or device; give a regular file"):
            read(path)
    path.unlink()
    path.symlink_to("nowhere")
    for read in (read_header, read_image, read_map):
        with pytest.raises(InputError, match=r"file\.png: a broken link; restore"):
            read(path)
