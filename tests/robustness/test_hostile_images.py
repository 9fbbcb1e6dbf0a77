"""Images that are broken, mislabelled, oversized or of a rare kind: read for what they are, or named and refused."""

import os
import shutil
import subprocess
import sys

import pytest
from hostile import (
    COLOURS,
    NOISE,
    TRUTH,
    accepted,
    animated,
    bmp,
    call,
    chunk,
    data_set,
    files,
    nothing_half,
    np,
    opencv,
    pillow,
    png,
    refused,
    struct,
    zlib,
)

PNG, JPG, TIF = pillow("png", TRUTH), opencv(".jpg", NOISE), pillow("tiff", NOISE)
POSTSCRIPT = (
    b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 24\n%ImageData: 32 24 1 1 0 1 2 "x"\n%%EndComments\nshowpage\n'
)
COLOURED = zlib.compress(bytes((1 + 3 * 32) * 24))
PROFILE = chunk(b"iCCP", b"x")
TEXT = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(100_000_000), 9))  # 100 MB of zeros

OK = "taken"
UNREADABLE = "1 unreadable"  # when it was paired; the folder and the file are named
BROKEN = "cannot be decoded"
SIZE = "of another size"
COLOUR = "a mask in colours"
ALPHA = "the mask may be in its alpha"
GREY = "save it as 8-bit grey"
FOREIGN = "1 not an image"
FRAMES = "an animation, or several pages; save the right one"

# what it is: (suffix, bytes, as a mask, as an image)
FILES = {
    "empty": (".png", b"", UNREADABLE, UNREADABLE),
    "a byte": (".png", PNG[:1], UNREADABLE, UNREADABLE),
    "cut after the signature": (".png", PNG[:8], UNREADABLE, UNREADABLE),
    "cut in the header": (".png", PNG[:20], UNREADABLE, UNREADABLE),
    "cut after the header": (".png", PNG[:33], BROKEN, BROKEN),
    "cut in the pixels": (".png", PNG[:60], BROKEN, BROKEN),
    "cut before the end": (".png", PNG[:-12], BROKEN, BROKEN),
    "cut in the end": (".png", PNG[:-4], BROKEN, BROKEN),
    "jpg cut in the pixels": (".jpg", JPG[:-100], BROKEN, BROKEN),
    "jpg cut in the header": (".jpg", JPG[:20], UNREADABLE, UNREADABLE),
    "jpg of 3 bytes": (".jpg", JPG[:3], UNREADABLE, UNREADABLE),
    "webp cut": (".webp", opencv(".webp", COLOURS)[:60], UNREADABLE, UNREADABLE),
    "tif cut": (".tif", TIF[:100], BROKEN, BROKEN),
    "bmp cut": (".bmp", opencv(".bmp", NOISE)[:500], BROKEN, BROKEN),
    "text": (".png", b"this is no image, it is text\n" * 5, UNREADABLE, UNREADABLE),
    "html": (".jpg", b"<html><script>alert(1)</script></html>", UNREADABLE, UNREADABLE),
    "svg": (".png", b'<svg xmlns="http://www.w3.org/2000/svg" width="32" height="24"/>', UNREADABLE, UNREADABLE),
    "zip": (".png", b"PK\3\4" + bytes(60), UNREADABLE, UNREADABLE),
    "zeros": (".png", bytes(200), UNREADABLE, UNREADABLE),
    "PostScript": (".png", POSTSCRIPT, UNREADABLE, UNREADABLE),
    "PostScript as tif": (".tif", POSTSCRIPT, UNREADABLE, UNREADABLE),
    "jpg called png": (".png", JPG, OK, OK),
    "png called jpg": (".jpg", PNG, OK, OK),
    "webp called png": (".png", opencv(".webp", COLOURS), COLOUR, OK),
    "bmp called tif": (".tif", opencv(".bmp", NOISE), OK, OK),
    "tif called png": (".png", TIF, OK, OK),
    "gif called png": (".png", pillow("gif", TRUTH), UNREADABLE, UNREADABLE),
    "gif": (".gif", pillow("gif", TRUTH), FOREIGN, FOREIGN),
    "header of 4 exapixels": (".png", png(2**31 - 1, 2**31 - 1), UNREADABLE, UNREADABLE),
    "header of 4 gigapixels": (".png", png(60000, 60000), UNREADABLE, UNREADABLE),
    "header of 400 megapixels": (".png", png(20000, 20000), UNREADABLE, UNREADABLE),
    "header of 100 megapixels": (".png", png(10000, 10000), SIZE, SIZE),
    "header of 16-bit colours": (".png", png(20000, 8000, depth=16, colour=2), SIZE, SIZE),
    "bmp header of 4 gigapixels": (".bmp", bmp(60000, 60000), UNREADABLE, UNREADABLE),
    "bmp header of 144 megapixels": (".bmp", bmp(12000, 12000), SIZE, SIZE),
    "tif that lies": (".tif", TIF.replace(struct.pack("<H", 24), struct.pack("<H", 60000)), SIZE, SIZE),
    "tif whose directory is itself": (".tif", b"II*\0\x08\0\0\0\0\0\x08\0\0\0", UNREADABLE, UNREADABLE),
    "10 MB of pixels too many": (".png", png(32, 24, zlib.compress(bytes(10_000_000))), OK, OK),
    "100 MB of text": (".png", png(32, 24, before=TEXT), OK, OK),
    "100 MB of text and colours": (".png", png(32, 24, COLOURED, colour=2, before=TEXT), UNREADABLE, UNREADABLE),
    "no width": (".png", png(0, 24), UNREADABLE, UNREADABLE),
    "no height": (".png", png(32, 0), UNREADABLE, UNREADABLE),
    "bmp without width": (".bmp", bmp(0, 24), UNREADABLE, UNREADABLE),
    "bmp upside down and cut": (".bmp", bmp(32, -24), BROKEN, BROKEN),
    "16 bit": (".png", pillow("png", NOISE.astype(np.uint16) * 257), OK, OK),
    "8 bits in 16": (".png", pillow("png", TRUTH.astype(np.uint16)), "below 256", OK),
    "16-bit colours": (".png", opencv(".png", COLOURS.astype(np.uint16) * 257), "16-bit mask of several", OK),
    "2 bit": (".png", png(32, 24, zlib.compress(bytes(9 * 24)), depth=2), OK, OK),
    "1 bit": (".png", pillow("png", TRUTH > 0), OK, OK),
    "grey palette": (".png", pillow("png", TRUTH, "P"), OK, OK),
    "colour palette": (".png", pillow("png", COLOURS, "P"), COLOUR, OK),
    "palette with a transparent entry": (".png", pillow("png", TRUTH, "P", transparency=0), ALPHA, OK),
    "palette that is missing": (".png", png(32, 24, colour=3), BROKEN, BROKEN),
    "animated png": (".png", animated("png"), FRAMES, FRAMES),
    "animated webp": (".webp", animated("webp"), FRAMES, FRAMES),
    "animated gif": (".png", animated("gif"), UNREADABLE, UNREADABLE),
    "tif of two pages": (".tif", animated("tiff"), FRAMES, FRAMES),
    "1-bit tif of two pages": (".tif", animated("tiff", "1"), FRAMES, FRAMES),
    "CMYK jpg": (".jpg", pillow("jpeg", COLOURS, "CMYK"), "CMYK", OK),
    "CMYK jpg cut": (".jpg", pillow("jpeg", COLOURS, "CMYK")[:300], UNREADABLE, UNREADABLE),
    "CMYK tif": (".tif", pillow("tiff", COLOURS, "CMYK"), "CMYK", OK),
    "Lab tif": (".tif", pillow("tiff", COLOURS, "LAB"), "LAB", OK),
    "float tif": (".tif", pillow("tiff", NOISE.astype(np.float32)), GREY, BROKEN),
    "NaN tif": (".tif", pillow("tiff", np.full((24, 32), np.nan, np.float32)), GREY, BROKEN),
    "float colours": (".tif", opencv(".tiff", COLOURS.astype(np.float32) * 1e30), UNREADABLE, UNREADABLE),
    "double tif": (".tif", opencv(".tiff", NOISE.astype(np.float64)), UNREADABLE, UNREADABLE),
    "int32 tif": (".tif", pillow("tiff", NOISE.astype(np.int32)), GREY, BROKEN),
    "HDR": (".hdr", opencv(".hdr", COLOURS.astype(np.float32)), FOREIGN, FOREIGN),
    "HDR called png": (".png", opencv(".hdr", COLOURS.astype(np.float32)), UNREADABLE, UNREADABLE),
    "wrong CRC of the pixels": (".png", PNG[:-16] + b"oops" + PNG[-12:], BROKEN, BROKEN),
    "wrong CRC of the header": (".png", PNG[:29] + b"oops" + PNG[33:], UNREADABLE, UNREADABLE),
    "pixels that are not deflated": (".png", png(32, 24, b"not zlib"), BROKEN, BROKEN),
    "too few pixels": (".png", png(32, 24, zlib.compress(bytes(33 * 10))), BROKEN, BROKEN),
    "no such filter": (".png", png(32, 24, zlib.compress(b"\7" * 33 * 24)), BROKEN, BROKEN),
    "no such colour": (".png", png(32, 24, colour=5), UNREADABLE, UNREADABLE),
    "no such depth": (".png", png(32, 24, depth=3), UNREADABLE, UNREADABLE),
    "no such interlace": (".png", png(32, 24, interlace=7), BROKEN, BROKEN),
    "interlaced but not": (".png", png(32, 24, interlace=1), BROKEN, BROKEN),
    "broken colour profile": (".png", png(32, 24, COLOURED, colour=2, before=PROFILE), UNREADABLE, UNREADABLE),
    "broken EXIF": (".jpg", pillow("jpeg", NOISE, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"), OK, OK),
    "mask in the alpha": (".png", pillow("png", np.dstack([TRUTH] * 4)), ALPHA, OK),
    "opaque alpha": (".png", pillow("png", TRUTH, "RGBA"), OK, OK),
    "colours": (".png", pillow("png", COLOURS), COLOUR, OK),
    "colours in jpg": (".jpg", opencv(".jpg", COLOURS), COLOUR, OK),
    "garbage behind": (".png", PNG + b"garbage" * 50, OK, OK),
    "code behind": (".jpg", JPG + b"<?php system($_GET[0]) ?>", OK, OK),
    "garbage before": (".png", b"\n" + PNG, UNREADABLE, UNREADABLE),
    "two pngs": (".png", PNG + PNG, OK, OK),
}  # fmt: skip


@pytest.fixture
def put(tmp_path, monkeypatch):
    """put(kind, suffix, data): a data set whose file b in `kind` is this one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))

    def put(kind, suffix, data):
        data_set("d")
        next((tmp_path / "d" / kind).glob("b.*")).unlink()
        (tmp_path / "d" / kind / f"b{suffix}").write_bytes(data)
        return files("d")

    return put


def answered(result, expected, suffix, before):
    if expected == OK:
        accepted(result)
    else:
        refused(result, expected, f"b{suffix}")
        nothing_half()
    assert files("d") == before


AS_MAPS = dict.fromkeys(("float tif", "NaN tif"), "save floats from 0 to 1")  # which only maps may hold


@pytest.mark.parametrize("what", FILES)
def test_as_a_map(put, what):
    suffix, data, expected, _ = FILES[what]
    expected = AS_MAPS.get(what, expected)
    before = put("maps", suffix, data)
    answered(call("score", "d/maps", "--truth", "d/gt", "--json"), expected, suffix, before)


@pytest.mark.parametrize("what", FILES)
def test_as_a_truth(put, what):
    suffix, data, expected, _ = FILES[what]
    before = put("gt", suffix, data)
    # Alone, a truth has nothing whose size it could differ from.
    answered(call("data", "complexity", "d"), BROKEN if expected == SIZE else expected, suffix, before)


@pytest.mark.parametrize("what", FILES)
def test_as_an_image(put, what):
    suffix, data, _, expected = FILES[what]
    before = put("im", suffix, data)
    answered(call("run", "--model", "otsu", "--data", "d", "--no-save", "--json"), expected, suffix, before)


@pytest.mark.parametrize("what", FILES)
def test_verify_names_it(put, what):
    suffix, data, mask, image = FILES[what]
    for kind, expected in (("gt", mask), ("im", image)) if mask != image else (("im", image),):
        put(kind, suffix, data)
        result = call("data", "verify", "--data", "d")
        if expected in (OK, UNREADABLE, SIZE, FOREIGN):
            answered(result, expected, "" if expected == SIZE else suffix, files("d"))
        else:  # what only decoding shows is a finding, not a mistake
            assert result.exit_code == 1
            assert result.stderr.startswith(f"d/{kind}/b{suffix}: ")
            assert result.stderr.count("\n") == 1
            assert expected in result.stderr
        shutil.rmtree("d")


@pytest.mark.parametrize(
    ("suffix", "data"),
    [
        (".tif", TIF[:100]),
        (".png", PNG[:60]),
        (".png", pillow("png", COLOURS)[:500]),
    ],
)
def test_opencv_and_pillow_add_no_lines_of_their_own(put, suffix, data):
    put("gt", suffix, data)
    command = [sys.executable, "-m", "disbench", "data", "complexity", "d"]
    ran = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1, ran.stderr
