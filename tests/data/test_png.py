"""Grey PNGs are decoded exactly, whoever wrote them; what is damaged or of another kind is never taken for a map."""

import io
import struct
import subprocess
import sys
import zlib

import cv2
import deflate
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from png_writer import AVERAGE, NONE, PAETH, SUB, UP, by_pillow, chunk, drawn, lines, png, written

from disbench.data.images import read_image, read_map
from disbench.data.png import BUSY, decode_grey
from disbench.data.png_diagonals import ROWS
from disbench.data.png_encoder import encode_grey
from disbench.errors import InputError


@given(
    st.integers(1, 12),
    st.integers(1, 70),
    st.sampled_from([1, 5, 9, 40]),
    st.lists(st.integers(0, 4), min_size=12, max_size=12),
    st.sampled_from([1, 8]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=200, deadline=None)
def test_any_filters_of_any_size(height, width, run, methods, depth, seed):
    pixels = drawn(height, width, run, seed)
    if depth == 1:
        pixels = np.where(pixels > 127, 255, 0).astype(np.uint8)
    data = written(pixels, methods[:height], depth)
    assert np.array_equal(by_pillow(data), pixels)  # the writer above is right
    decoded = decode_grey(data)
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    assert np.array_equal(decoded, pixels)


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 5, 40]), st.booleans(), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_every_reader_reads_what_is_encoded(height, width, run, is_turned, seed):
    pixels = drawn(height, width, run, seed)
    pixels = pixels.T if is_turned else pixels
    data = encode_grey(pixels)
    by_opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    for read in (by_pillow(data), by_opencv, decode_grey(data)):
        assert np.array_equal(read, pixels)


@pytest.mark.parametrize("method", range(5))
@pytest.mark.parametrize("run", [1, 30])
def test_one_filter_throughout(method, run):
    pixels = drawn(61, 203, run, method)
    assert np.array_equal(decode_grey(written(pixels, [method] * 61)), pixels)


@given(
    st.integers(64, 200),
    st.integers(70, 150),
    st.sampled_from([1, 9, 40]),
    st.lists(st.integers(0, 4), min_size=200, max_size=200),
    st.sampled_from([-1, BUSY, 1]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_rows_undone_together_equal_rows_undone_one_by_one(height, width, run, methods, busy, seed):
    pixels = drawn(height, width, run, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("disbench.data.png.BUSY", busy)  # -1: all groups of rows, 1: none
        assert np.array_equal(decode_grey(written(pixels, methods[:height])), pixels)


@pytest.mark.parametrize(
    ("height", "width", "groups"),
    [(64, 72, 0), (65, 71, 0), (65, 72, 1), (127, 72, 1), (128, 72, 2), (300, 200, 4)],
)
def test_groups_leave_the_first_and_the_last_row_of_the_image(monkeypatch, height, width, groups):
    monkeypatch.setattr("disbench.data.png.unfilter_rows_together", lambda _, first, __: calls.append(first))
    calls = []
    decode_grey(written(drawn(height, width, 1, 0), [PAETH] * height))
    assert calls == [1 + ROWS * i for i in range(groups)]


@pytest.mark.parametrize(("method", "noisy", "together"), [(PAETH, 1, 1), (PAETH, 0, 0), (AVERAGE, 0, 1), (UP, 1, 0)])
def test_only_rows_that_would_be_undone_pixel_by_pixel_are_undone_together(monkeypatch, method, noisy, together):
    calls = []
    monkeypatch.setattr("disbench.data.png.unfilter_rows_together", lambda *_: calls.append(method))
    pixels = np.random.default_rng(0).integers(0, 256, (65, 72), np.uint8) if noisy else np.zeros((65, 72), np.uint8)
    decode_grey(written(pixels, [method] * 65))
    assert len(calls) == together


def test_every_paeth_prediction_of_rows_undone_together():
    """As the test below, with every block in several rows and lanes."""
    levels = np.arange(0, 256, 51, dtype=np.uint8)
    corner, above, left = (grid.ravel() for grid in np.meshgrid(levels, levels, levels))
    blocks = np.stack([np.stack([corner, above], -1), np.stack([left, left[::-1]], -1)], 1)
    pixels = np.concatenate([np.hstack(np.roll(blocks, shift, 0)) for shift in range(70)])
    assert np.array_equal(decode_grey(written(pixels, [PAETH] * len(pixels))), pixels)


def test_every_paeth_prediction():
    """Blocks of 2 x 2 with all neighbours in steps of 5, which brings every order and every tie."""
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    corner, above, left = (grid.ravel() for grid in np.meshgrid(levels, levels, levels))
    pixels = np.zeros((2, 2 * left.size), np.uint8)
    pixels[0, 0::2], pixels[0, 1::2], pixels[1, 0::2] = corner, above, left
    assert np.array_equal(decode_grey(written(pixels, [NONE, PAETH])), pixels)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (33, 47), (64, 64), (300, 401)])
def test_files_of_pillow_and_opencv(shape):
    pixels = drawn(*shape, 20, 3)
    files = [cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, level])[1] for level in (0, 1, 3, 9)]
    files.append(cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_ALL_FILTERS])[1])
    for options in ({}, {"compress_level": 0}, {"compress_level": 1}, {"optimize": True}, {"dpi": (72, 72)}):
        Image.fromarray(pixels).save(file := io.BytesIO(), "png", **options)
        files.append(file.getvalue())
    for data in files:
        assert np.array_equal(decode_grey(data), pixels)
    Image.fromarray(pixels > 127).save(file := io.BytesIO(), "png")
    assert np.array_equal(decode_grey(file.getvalue()), np.where(pixels > 127, 255, 0))


SMALL = drawn(6, 9, 4, 0)
RAW = lines(SMALL, [NONE, SUB, UP, AVERAGE, PAETH, PAETH])
STREAM = zlib.compress(RAW)
WHOLE = png(STREAM, 9, 6)


def _saved(kind, image, **options):
    image.save(file := io.BytesIO(), kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no image at all, but long enough for a header",
        WHOLE[:8],
        _saved("jpeg", Image.fromarray(SMALL)),
        _saved("png", Image.fromarray(SMALL).convert("RGB")),
        _saved("png", Image.fromarray(SMALL).convert("LA")),
        _saved("png", Image.fromarray(SMALL).convert("P")),
        _saved("png", Image.fromarray(SMALL.astype(np.uint16))),
        _saved("png", Image.fromarray(SMALL), transparency=0),
        png(zlib.compress(bytes(6 * 4)), 9, 6, depth=2),
        png(STREAM, 9, 6, interlace=1),
        png(STREAM, 9, 6, chunks=chunk(b"acTL", bytes(8)) + chunk(b"IDAT", STREAM)),
        png(STREAM, 9, 6, chunks=chunk(b"NEWS", b"") + chunk(b"IDAT", STREAM)),
    ],
)
def test_another_kind_is_left_to_others(data):
    assert decode_grey(data) is None


def test_optional_chunks_and_a_picture_in_pieces():
    pieces = b"".join(chunk(b"IDAT", STREAM[i : i + 7]) for i in range(0, len(STREAM), 7))
    data = png(STREAM, 9, 6, chunks=chunk(b"gAMA", struct.pack(">I", 45455)) + pieces + chunk(b"tEXt", b"by\0hand"))
    assert np.array_equal(decode_grey(data), SMALL)
    assert np.array_equal(decode_grey(np.frombuffer(data + b"more", np.uint8)), SMALL)


def test_no_damaged_byte_and_no_cut_goes_unnoticed():
    assert np.array_equal(decode_grey(WHOLE), SMALL)
    for at in range(len(WHOLE)):
        assert decode_grey(WHOLE[:at]) is None
        for bit in (0x01, 0x20, 0x80):  # 0x20 is what makes a chunk optional
            assert decode_grey(WHOLE[:at] + bytes([WHOLE[at] ^ bit]) + WHOLE[at + 1 :]) is None


@pytest.mark.parametrize(
    "data",
    [
        png(zlib.compress(RAW[:-1]), 9, 6),
        png(zlib.compress(RAW + b"\0"), 9, 6),
        png(STREAM[:-1] + bytes([STREAM[-1] ^ 1]), 9, 6),  # the checksum of the pixels
        png(STREAM[:-4], 9, 6),
        png(zlib.compress(b"\5" + RAW[1:]), 9, 6),  # no such filter
        png(STREAM, 9, 5),
        png(STREAM, 8, 6),
        png(STREAM, 0, 6),
        png(STREAM, 9, 0),
        png(STREAM, 9, 6, chunks=b""),
        png(STREAM, 9, 6, chunks=chunk(b"IDAT", STREAM[:9]) + chunk(b"tEXt", b"") + chunk(b"IDAT", STREAM[9:])),
    ],
)
def test_a_wrong_file_with_right_checksums_is_no_map(data):
    assert decode_grey(data) is None


@pytest.mark.parametrize(("width", "height"), [(2**31 - 1, 2**31 - 1), (60000, 60000), (2**16, 2**16 - 1)])
def test_a_header_that_lies_gets_no_memory(monkeypatch, width, height):
    monkeypatch.setattr(deflate, "zlib_decompress", lambda *_: pytest.fail("allocates what the header says"))
    assert decode_grey(png(STREAM, width, height)) is None


@pytest.mark.parametrize("depth", [1, 8])
def test_reading_a_map_gives_the_same_with_and_without(tmp_path, monkeypatch, depth):
    pixels = drawn(40, 51, 9, 1) if depth == 8 else np.where(drawn(40, 51, 9, 1) > 127, 255, 0).astype(np.uint8)
    path = tmp_path / "map.png"
    path.write_bytes(written(pixels, [PAETH] * 40, depth))
    assert np.array_equal(read_map(path), pixels)
    monkeypatch.setattr("disbench.data.png.decode_grey", lambda _: np.full((1, 1), 7, np.uint8))
    assert read_map(path) == 7  # it was asked
    monkeypatch.delitem(sys.modules, "numba")
    assert np.array_equal(read_map(path), pixels)


def test_a_damaged_map_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "bad.png"
    for at in range(8, len(WHOLE) - 12, 5):
        path.write_bytes(WHOLE[:at] + bytes([WHOLE[at] ^ 4]) + WHOLE[at + 1 :])
        with pytest.raises(InputError, match=r"bad.png"):
            read_map(path)


def test_reading_does_not_load_numba(tmp_path):
    (tmp_path / "map.png").write_bytes(WHOLE)
    code = (
        "import sys; from pathlib import Path; from disbench.data.images import read_map; "
        f"read_map(Path({str(tmp_path / 'map.png')!r})); sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
FORMS = (
    [(0, d) for d in (1, 2, 4, 8, 16)] + [(3, d) for d in (1, 2, 4, 8)] + [(c, d) for c in (2, 4, 6) for d in (8, 16)]
)
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
KEYS = {0: b"\0\1", 2: bytes(6), 3: bytes([0, 100]), 4: b"", 6: b""}  # what is transparent


def any_form(colour, depth, interlace, transparent, width=13, height=9):
    """Noise under random filters."""
    rng = np.random.default_rng(0)
    raw = b""
    for x, y, dx, dy in ADAM7 if interlace else [(0, 0, 1, 1)]:
        columns, rows = -((x - width) // dx), -((y - height) // dy)
        for _ in range(rows):
            raw += bytes([rng.integers(5)]) + rng.bytes((columns * depth * CHANNELS[colour] + 7) // 8)
    palette = chunk(b"PLTE", rng.bytes(3 * 2**depth)) if colour == 3 else b""
    key = chunk(b"tRNS", KEYS[colour]) if transparent and KEYS[colour] else b""
    return png(None, width, height, depth, colour, interlace, palette + key + chunk(b"IDAT", zlib.compress(raw)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("colour", "depth"), FORMS)
@pytest.mark.parametrize("interlace", [0, 1])
@pytest.mark.parametrize("transparent", [False, True])
def test_every_form_has_the_colours_that_opencv_reads(tmp_path, colour, depth, interlace, transparent):
    data = any_form(colour, depth, interlace, transparent)
    path = tmp_path / "a.png"
    path.write_bytes(data)
    by_opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(read_image(path), by_opencv)
    if transparent and (colour, depth) == (0, 16):
        with pytest.raises(InputError, match="a 16-bit mask with a transparent level"):
            read_map(path)
    elif (colour, depth) == (0, 16):
        stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(read_map(path), np.rint(stored / 257))


def test_a_wrong_stream_is_named_without_a_line_of_any_library(tmp_path, capfd):
    """Chunks are whole, what they hold is not: libpng would print that, and Pillow fill up some of them."""
    path = tmp_path / "bad.png"
    row = bytes(1 + 3 * 9)
    whole = zlib.compress(row * 6)
    for stream in (b"", b"no zlib", whole[:-6], zlib.compress(row * 5), zlib.compress(b"\7" * len(row) * 6)):
        for interlace in (0, 1):
            path.write_bytes(png(stream, 9, 6, 8, 2, interlace))
            for read in (read_image, read_map):
                with pytest.raises(InputError, match=r"bad\.png: cannot be decoded"):
                    read(path)
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(b"no profile"))  # of which libpng warns
    path.write_bytes(png(None, 9, 6, 8, 2, chunks=profile + chunk(b"IDAT", zlib.compress(row * 7))))
    assert not read_image(path).any()
    assert capfd.readouterr() == ("", "")
