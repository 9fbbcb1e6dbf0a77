"""PNGs that were tampered with: the fast reader gives the pixels that OpenCV gives, or leaves the file to it."""

import io
import struct
import sys
import zlib
from contextlib import suppress

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from png_writer import NONE, PAETH, by_pillow, chunk, drawn, lines, png, written

from disbench.data.images import read_image, read_map
from disbench.data.png import decode_grey
from disbench.errors import InputError

START = b"\x89PNG\r\n\x1a\n"
PIXELS = drawn(7, 21, 4, 5)
BITS = np.where(drawn(7, 21, 4, 5) > 127, 255, 0).astype(np.uint8)
KINDS = [
    b"IDAT",
    b"IEND",
    b"PLTE",
    b"tRNS",
    b"acTL",
    b"tEXt",
    b"zTXt",
    b"gAMA",
    b"sBIT",
    b"bKGD",
    b"iCCP",
    b"te1t",
    b"1ext",
]


def of_pillow(image, **options):
    image.save(file := io.BytesIO(), "png", **options)
    return file.getvalue()


SEEDS = [
    written(PIXELS, [0, 1, 2, 3, 4, 4, 1]),
    written(BITS, [4, 3, 2, 1, 0, 0, 2], depth=1),
    cv2.imencode(".png", PIXELS)[1].tobytes(),
    cv2.imencode(".png", PIXELS.astype(np.uint16) * 257)[1].tobytes(),
    cv2.imencode(".png", np.dstack([PIXELS] * 3))[1].tobytes(),
    of_pillow(Image.fromarray(PIXELS), dpi=(72, 72)),
    of_pillow(Image.fromarray(PIXELS), transparency=0),
    of_pillow(Image.fromarray(PIXELS).convert("P")),
    of_pillow(Image.fromarray(PIXELS).convert("LA")),
    of_pillow(Image.fromarray(BITS > 0)),
    of_pillow(Image.fromarray(PIXELS), save_all=True, append_images=[Image.fromarray(255 - PIXELS)]),
]


def taken_apart(data):
    """[(kind, contents)] of a whole PNG."""
    parts, at = [], 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        parts.append((kind, data[at + 8 : at + 8 + length]))
        at += 12 + length
    return parts


def put_together(parts):
    return START + b"".join(chunk(kind, contents) for kind, contents in parts)


@st.composite
def tampered(draw):
    """A PNG after some changes to its chunks, whose checksums are made right again, and then some to its bytes."""
    parts = taken_apart(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(parts) - 1))
        kind, contents = parts[at]
        change = draw(
            st.sampled_from(["drop", "twice", "swap", "rename", "byte", "header", "cut", "pad", "raw", "split", "new"])
        )
        place = draw(st.integers(0, max(len(contents) - 1, 0)))
        if change == "drop" and len(parts) > 1:
            del parts[at]
        elif change == "twice":
            parts.insert(draw(st.integers(0, len(parts))), parts[at])
        elif change == "swap":
            other = draw(st.integers(0, len(parts) - 1))
            parts[at], parts[other] = parts[other], parts[at]
        elif change == "rename":
            parts[at] = draw(st.sampled_from(KINDS) | st.binary(min_size=4, max_size=4)), contents
        elif change == "byte" and contents:
            parts[at] = kind, contents[:place] + draw(st.binary(min_size=1, max_size=1)) + contents[place + 1 :]
        elif change == "header" and parts[0][0] == b"IHDR" and len(parts[0][1]) == 13:
            size = draw(st.sampled_from([0, 1, 7, 8, 20, 21, 22, 24, 300, 2**31 - 1, 2**31, 2**32 - 1]))
            width, height, *fields = struct.unpack(">IIBBBBB", parts[0][1])
            width, height = draw(st.sampled_from([(size, height), (width, size), (width, height)]))
            which = draw(st.integers(0, 4))
            fields[which] = draw(st.sampled_from([fields[which], 0, 1, 2, 3, 4, 6, 8, 16]))
            parts[0] = b"IHDR", struct.pack(">IIBBBBB", width, height, *fields)
        elif change == "cut":
            parts[at] = kind, contents[:place]
        elif change == "pad":
            parts[at] = kind, contents + draw(st.binary(max_size=9))
        elif change == "raw" and kind == b"IDAT":
            parts[at] = kind, _refiltered(draw, contents)
        elif change == "split":
            parts[at : at + 1] = [(kind, contents[:place]), (kind, contents[place:])]
        elif change == "new":
            contents = draw(st.binary(max_size=14))
            parts.insert(at, (draw(st.sampled_from(KINDS)), contents))
    data = put_together(parts)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(data) - 1))
        data = data[:at] + draw(st.binary(max_size=2)) + data[at + 1 :]
    return data


def _refiltered(draw, stream):
    """Other filters and residuals in a stream that stays whole, deflated in other ways."""
    try:
        raw = bytearray(zlib.decompress(stream))
    except zlib.error:
        return stream
    for _ in range(draw(st.integers(1, 4))):
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 6))
    packer = zlib.compressobj(draw(st.integers(0, 9)), zlib.DEFLATED, draw(st.sampled_from([9, 12, 15])), 9)
    return packer.compress(bytes(raw)) + packer.flush()


def by_opencv(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)


def outcome(read, path):
    try:
        return read(path)
    except InputError as error:
        assert str(path) in str(error)
        return None


def same(a, b):
    return (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_tampered_with_was_whole(seed):
    assert put_together(taken_apart(seed)) == seed
    assert np.array_equal(by_opencv(seed), by_pillow(seed)) or seed is SEEDS[3]  # which Pillow clips


@given(tampered())
@settings(max_examples=500, deadline=None)
def test_equal_pixels_or_left_to_opencv(data):
    decoded = decode_grey(data)
    if decoded is not None:
        assert np.array_equal(decoded, by_opencv(data))
        pillows = decoded
        with suppress(Exception):  # it fails on optional chunks that the others pass over, in whatever way
            pillows = by_pillow(data)
        assert np.array_equal(decoded, pillows)


@given(data=tampered())
@settings(max_examples=150, deadline=None)
def test_a_file_reads_the_same_with_and_without(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "tampered.png"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        quick = outcome(read_map, path)
        patch.delitem(sys.modules, "numba")
        assert same(quick, outcome(read_map, path))
    image = outcome(read_image, path)
    assert image is None or (image.dtype == np.uint8 and image.shape[2] == 3)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("suffix", [".jpg", ".bmp", ".tif", ".webp"])
@given(st.data())
@settings(max_examples=40, deadline=None)
def test_other_files_read_or_are_named(tmp_path_factory, suffix, drawn):
    data = bytearray(cv2.imencode(suffix, PIXELS)[1].tobytes())
    for _ in range(drawn.draw(st.integers(1, 4))):
        data[drawn.draw(st.integers(0, len(data) - 1))] = drawn.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"tampered{suffix}"
    path.write_bytes(data[: drawn.draw(st.integers(0, len(data)))] if drawn.draw(st.booleans()) else data)
    for read in (read_map, read_image):
        outcome(read, path)


@pytest.mark.parametrize("kind", [b"1ext", b"te\0t", b"t xt", b"\xe9ext", b"bKGD", b"fcTL"])
def test_an_optional_chunk_that_opencv_refuses_is_left_to_it(kind):
    stream = zlib.compress(lines(PIXELS, [PAETH] * 7))
    data = png(stream, 21, 7, chunks=chunk(kind, b"\0\0\0") + chunk(b"IDAT", stream))
    assert by_opencv(data) is None
    assert decode_grey(data) is None


def test_a_window_smaller_than_what_the_stream_reaches_back():
    """Its first byte says how far a stream reaches back; zlib holds it to that, libdeflate does not."""
    pixels = np.tile(np.random.default_rng(0).integers(0, 256, 1000, np.uint8), (40, 1))
    stream = zlib.compress(lines(pixels, [NONE] * 40))
    lying = bytes([0x18, 31 - 0x1800 % 31]) + stream[2:]
    assert np.array_equal(decode_grey(png(stream, 1000, 40)), pixels)
    assert by_opencv(png(lying, 1000, 40)) is None
    assert decode_grey(png(lying, 1000, 40)) is None
