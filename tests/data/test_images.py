"""Masks are read for what they are, or refused with the file's name."""

import struct
import zlib
from itertools import product

import cv2
import numpy as np
import pytest
from image_files import write
from PIL import Image

from disbench.data.headers import read_header
from disbench.data.images import read_image, read_map, read_truth, write_map
from disbench.errors import InputError

GREY = np.array([[0, 1, 128], [200, 254, 255]], np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA", "P"])
def test_every_grey_form_reads_as_the_same_levels(tmp_path, mode):
    path = tmp_path / "a.png"
    Image.fromarray(GREY).convert(mode).save(path)
    assert np.array_equal(read_map(path), GREY)


@pytest.mark.parametrize(
    "form", [*product([1, 2, 4, 8, 16], [0], [0, 1]), *product([8], [2, 3, 4, 6, 7], [0]), (8, 0, 2)]
)
@pytest.mark.parametrize(("width", "height"), [(1, 70), (300, 2), (0, 5), (40000, 40000)])
def test_a_header_is_what_pillow_reads(tmp_path, form, width, height):
    depth, colour, interlaced = form
    first = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    data = b"\x89PNG\r\n\x1a\n\0\0\0\r" + first + struct.pack(">I", zlib.crc32(first)) + b"\0\0\0\4IDAT" + bytes(8)
    path = tmp_path / "a.png"
    for damaged in (data, data[:31], data[:20] + b"\7" + data[21:], data[8:], b""):
        path.write_bytes(damaged)
        try:
            with Image.open(path) as image:
                expected = image.mode, (image.height, image.width)
        except (OSError, Image.DecompressionBombError):
            with pytest.raises(InputError, match=r"a\.png: not a readable image"):
                read_header(path)
        else:
            assert read_header(path) == expected


def test_one_bit_and_sixteen_bits(tmp_path):
    Image.fromarray(GREY > 100).save(tmp_path / "bit.png")
    assert np.array_equal(read_map(tmp_path / "bit.png"), np.where(GREY > 100, 255, 0))
    write(tmp_path / "deep.png", GREY.astype(np.uint16) * 257)
    assert np.array_equal(read_map(tmp_path / "deep.png"), GREY)


def test_sixteen_bits_are_rounded_to_the_nearest_of_eight(tmp_path):
    """Of 257 values each, so 200 is nearer to 257 than to 0, and 65406 nearer to 65278 = 254 * 257 than to 65535."""
    write(tmp_path / "deep.png", np.array([[128, 129, 200, 65406, 65407, 65535]], np.uint16))
    assert read_map(tmp_path / "deep.png").tolist() == [[0, 1, 1, 254, 255, 255]]


def test_a_truth_of_zeros_and_ones_is_a_mask_but_a_map_keeps_its_levels(tmp_path):
    path = tmp_path / "a.png"
    write(path, (GREY > 100).astype(np.uint8))
    assert np.array_equal(read_truth(path), np.where(GREY > 100, 255, 0))
    assert read_map(path).max() == 1


def _colours():
    return Image.fromarray(np.array([[[128, 0, 0], [0, 0, 0]]], np.uint8))


def _alpha():
    return Image.fromarray(np.array([[[255, 255, 255, 0], [255, 255, 255, 255]]], np.uint8))


def _small_values_in_16_bits():
    return Image.fromarray(np.array([[0, 255]], np.uint16))


def _floats():
    return Image.fromarray(np.array([[0.0, 1.0]], np.float32))


@pytest.mark.parametrize(
    ("make", "suffix", "why"),
    [
        (_colours, ".png", "colours"),
        (lambda: _colours().quantize(2), ".png", "colours"),  # PASCAL VOC's palettes
        (_alpha, ".png", "alpha"),
        (_small_values_in_16_bits, ".png", "below 256"),
        (_floats, ".tif", "8-bit grey"),
    ],
)
def test_what_readers_disagree_on_is_refused(tmp_path, make, suffix, why):
    path = tmp_path / f"mask{suffix}"
    make().save(path)
    with pytest.raises(InputError, match=rf"mask{suffix}: .*{why}"):
        read_map(path)


def test_colours_of_16_bits_are_refused_where_pillow_would_read_zeros(tmp_path):
    path = tmp_path / "deep.png"
    write(path, np.full((2, 2, 3), 255, np.uint16))
    with pytest.raises(InputError, match=r"deep\.png: a 16-bit mask of several channels"):
        read_truth(path)


@pytest.mark.parametrize(
    ("read", "name", "kind", "place", "value"),
    [(read_map, "a.png", "RGB", -8, 0x21), (read_image, "a.bmp", "L", 20, 0x7F)],
)
def test_damage_that_the_decoders_raise_on_names_the_file(tmp_path, read, name, kind, place, value):
    path = tmp_path / name
    noise = np.random.default_rng(0).integers(0, 256, (60, 60), np.uint8)
    Image.fromarray(noise).convert(kind).save(path)
    data = bytearray(path.read_bytes())
    data[place] = value
    path.write_bytes(data)
    with pytest.raises(InputError, match=name):
        read(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.98])
def test_a_truncated_file_is_an_error_that_names_it(tmp_path, suffix, keep):
    path = tmp_path / f"cut{suffix}"
    write(path, np.random.default_rng(0).integers(0, 256, (60, 60), np.uint8))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(InputError, match=rf"cut{suffix}"):
        read_image(path)
    with pytest.raises(InputError, match=rf"cut{suffix}"):
        read_truth(path)


def test_exif_rotation_is_ignored(tmp_path):
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees to view"
    Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(path, exif=exif)
    assert read_image(path).shape == (10, 20, 3)
    Image.fromarray(np.zeros((10, 20), np.uint8)).save(path, exif=exif)
    assert read_truth(path).shape == read_map(path).shape == (10, 20)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_exif_rotation_of_masks_is_ignored(tmp_path, mode):
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    grey = np.zeros((16, 32), np.uint8)
    grey[:8] = 255  # blocks of 8 x 8, which JPEG keeps
    Image.fromarray(grey).convert(mode).save(path, exif=exif, quality=100)
    for read in (read_truth, read_map):
        assert read(path).shape == (16, 32)
        assert np.array_equal(read(path) > 127, grey > 127)


def test_an_image_is_rgb(tmp_path):
    path = tmp_path / "red.png"
    write(path, np.full((2, 2, 3), (0, 0, 255), np.uint8))  # OpenCV writes BGR
    assert (read_image(path) == (255, 0, 0)).all()


def test_a_map_survives_writing(tmp_path):
    path = tmp_path / f"{'x' * 251}.png"  # as long as names can be
    write_map(path, GREY)
    assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), GREY)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("mode", ["L", "1"])
def test_a_grey_mask_with_a_transparent_level_is_no_mask(tmp_path, mode):
    path = tmp_path / "a.png"
    image = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).convert(mode)
    image.save(path, transparency=255)
    for read in (read_map, read_truth):
        with pytest.raises(InputError, match="the mask may be in its alpha"):
            read(path)
    image.point(lambda level: min(level, 200)).save(path, transparency=255)  # of no pixel
    if mode == "L":
        assert np.array_equal(read_map(path), np.asarray(image.point(lambda level: min(level, 200))))
