"""A TIFF with damaged strips is refused by name, also where libtiff only warns; nothing is printed."""

import io
import struct

import numpy as np
import pytest
from PIL import Image
from tiff_writer import tiff

from disbench.data.headers import read_header
from disbench.data.images import read_image, read_map
from disbench.errors import InputError

NOISE = np.random.default_rng(0).integers(0, 256, (40, 56), np.uint8)
PLAIN = np.repeat(np.repeat(NOISE[::8, ::8], 8, 0), 8, 1)
COMPRESSIONS = ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]


def compressed(pixels, compression):
    Image.fromarray(pixels).save(file := io.BytesIO(), "TIFF", compression=compression)
    return file.getvalue()


def strip(data):
    """Offset and length of the first strip."""
    with Image.open(io.BytesIO(data)) as image:
        return image.tag_v2[273][0], image.tag_v2[279][0]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("pixels", [NOISE, PLAIN, NOISE[:1, :1], np.zeros((700, 900), np.uint8)])
def test_a_whole_file_keeps_its_pixels(tmp_path, compression, pixels):
    path = tmp_path / "a.tif"
    path.write_bytes(compressed(pixels, compression))
    assert np.array_equal(read_map(path), pixels)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("pixels", [NOISE, PLAIN])
def test_a_strip_that_is_too_short_is_refused_without_a_word_of_libtiff(tmp_path, compression, pixels, capfd):
    data = compressed(pixels, compression)
    offset, length = strip(data)
    path = tmp_path / "a.tif"
    count, half = (struct.pack("<HHII", 279, 4, 1, number) for number in (length, length // 2))
    for damaged in (data[: offset + length // 2], data.replace(count, half)):
        assert damaged != data
        path.write_bytes(damaged)
        for read in (read_map, read_image):
            with pytest.raises(InputError, match=r"a\.tif: (cannot be decoded|not a readable image)"):
                read(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
def test_codes_that_do_not_exist_are_refused(tmp_path, compression, capfd):
    data = compressed(NOISE, compression)
    offset, _ = strip(data)
    path = tmp_path / "a.tif"
    path.write_bytes(data[: offset + 20] + b"\xff" * 40 + data[offset + 60 :])
    with pytest.raises(InputError, match=r"a\.tif: cannot be decoded \(truncated, or damaged\)"):
        read_map(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("tag", "value"), [(273, 10**9), (279, [1, 2]), (278, 0), (257, 0), (256, 0)])
def test_tags_that_contradict_the_file_are_refused(tmp_path, tag, value, capfd):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(NOISE, **{f"tag_{tag}": value}))
    with pytest.raises(InputError, match=r"a\.tif: (cannot be decoded|not a readable image)"):
        read_image(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_no_orientation_turns_an_image_or_a_mask(tmp_path, orientation):
    path = tmp_path / "a.tif"
    for pixels in (NOISE, NOISE.astype(np.uint16) * 257, np.dstack([NOISE] * 3)):
        path.write_bytes(tiff(pixels, tag_274=orientation))
        assert read_header(path)[1] == (40, 56)
        assert np.array_equal(read_image(path)[..., 0], NOISE)
        assert np.array_equal(read_map(path), NOISE)
