"""A JPEG of which libjpeg would warn is refused by name; all others keep their pixels; nothing is printed."""

import io
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import cv2
import numpy as np
import pytest
from command import call
from PIL import Image
from tiff_writer import tiff

from disbench.data.headers import read_header
from disbench.data.images import read_image, read_map
from disbench.errors import InputError

END = b"\xff\xd9"
PICTURE = cv2.resize(np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8), (83, 50))
PICTURE[:20] += np.random.default_rng(1).integers(0, 9, (20, 83, 3), np.uint8)
KINDS = [
    {"progressive": progressive, "subsampling": subsampling, "restart_marker_blocks": restart, "quality": quality}
    for progressive, subsampling, restart, quality in product([False, True], [0, 1, 2], [0, 2], [20, 95])
]


def jpeg(pixels=PICTURE, **options):
    Image.fromarray(pixels).save(file := io.BytesIO(), "JPEG", **options)
    return file.getvalue()


def by_opencv(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)


def read(path, data):
    """The pixels, or None where the file is refused."""
    path.write_bytes(data)
    try:
        return read_image(path)
    except InputError as error:
        assert str(error).startswith(f"{path}: ")
        return None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pixels", [PICTURE, PICTURE[..., 0], PICTURE[:1, :1], PICTURE[:17, :9, 1]])
def test_a_whole_file_keeps_its_pixels(tmp_path, kind, pixels):
    data = jpeg(pixels, **kind)
    assert np.array_equal(read(tmp_path / "a.jpg", data), by_opencv(data))


def test_metadata_and_what_follows_the_end_do_not_matter(tmp_path):
    data = jpeg(exif=b"Exif\0\0MM\0*\xff\xff\xff\xff", comment=b"x" * 999, icc_profile=b"none" * 40)
    changed = data[:2] + b"\xff\xff" + data[2:] + b"more\xff\xd8\xff"
    changed = changed.replace(b"JFIF\0\x01", b"JFIF\0\x09")  # a version of which libjpeg warns
    assert np.array_equal(read(tmp_path / "a.jpg", changed), by_opencv(data))


@pytest.mark.parametrize("kind", KINDS)
def test_fill_bytes_before_markers_do_not_matter(tmp_path, kind):
    data = jpeg(**kind)
    start = data.index(b"\xff\xda")
    filled = bytearray(data[:start])
    for at in range(start, len(data)):
        is_marker = data[at] == 0xFF and data[at + 1] != 0
        filled += b"\xff" * (at % 4 if is_marker else 0) + data[at : at + 1]
    assert len(filled) > len(data)
    assert np.array_equal(read(tmp_path / "a.jpg", bytes(filled)), by_opencv(data))


def test_restart_markers_have_an_order_and_their_places(tmp_path):
    data = jpeg(restart_marker_blocks=2)
    first, second = (data.index(bytes([0xFF, marker])) for marker in (0xD0, 0xD1))
    assert read(tmp_path / "a.jpg", data) is not None
    swapped = bytearray(data)
    swapped[first + 1], swapped[second + 1] = 0xD1, 0xD0
    moved = data[:first] + data[first + 2 : first + 4] + data[first : first + 2] + data[first + 4 :]
    for damaged in (bytes(swapped), moved, data[:first] + data[second:], data[:first] + data[first + 2 :]):
        assert read(tmp_path / "a.jpg", damaged) is None


@pytest.mark.parametrize("kind", KINDS[::3])
def test_half_a_file_with_an_end_is_refused(tmp_path, kind):
    data = jpeg(**kind)
    start = data.index(b"\xff\xda")
    for at in np.linspace(start + 20, len(data) - 3, 25).astype(int):
        assert read(tmp_path / "a.jpg", data[:at] + END) is None


def test_a_progressive_file_without_its_last_scans_is_refused(tmp_path):
    data = jpeg(progressive=True)
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 5
    for at in scans:
        assert read(tmp_path / "a.jpg", data[:at] + END) is None


def test_whatever_libjpeg_warns_of_is_refused_without_its_words(tmp_path, capfd):
    """OpenCV, with the same bytes, says on standard error what libjpeg thinks of them."""
    rng = np.random.default_rng(0)
    files = [jpeg(**kind) for kind in KINDS[::2]]
    outcomes = set()
    for turn in range(120):
        data = bytearray(files[turn % len(files)])
        at = rng.integers(2, len(data) - 2)
        if turn % 3 == 0:
            data[at] ^= 1 << rng.integers(8)
        elif turn % 3 == 1:
            data[at : at + rng.integers(1, 9)] = rng.bytes(rng.integers(0, 9))
        else:
            data[at:at] = rng.bytes(3)
        expected = by_opencv(bytes(data))
        warning = capfd.readouterr().err
        pixels = read(tmp_path / "a.jpg", bytes(data))
        assert capfd.readouterr() == ("", "")
        outcomes.add((pixels is None, bool(warning)))
        if warning and "JFIF" not in warning:
            assert pixels is None, warning
        elif pixels is not None:
            assert np.array_equal(pixels, expected)
    assert outcomes >= {(True, True), (False, False)}


def test_a_damaged_mask_and_a_damaged_strip_of_a_tiff_are_refused(tmp_path):
    grey = jpeg(PICTURE[..., 0])
    half = grey[: len(grey) // 2] + END
    for data in (half, tiff(PICTURE[..., 0], parts=[half], tag_259=7)):
        (tmp_path / "a.jpg").write_bytes(data)
        with pytest.raises(InputError, match=r"a\.jpg: cannot be decoded \(truncated, or damaged\); replace the file"):
            read_map(tmp_path / "a.jpg")


def test_a_header_that_claims_too_much_is_refused_before_memory_is_taken(tmp_path):
    data = bytearray(jpeg(progressive=True))
    at = data.index(b"\xff\xc2") + 5
    data[at : at + 4] = b"\xff\xdc\xff\xdc"
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    for function in (read_header, read_image):
        with pytest.raises(InputError, match=r"a\.jpg: .*too large \(65500 x 65500 pixels"):
            function(path)


def test_verify_and_run_name_it_from_their_threads_and_print_nothing_else(tmp_path, make_pairs, capfd):
    folder = make_pairs(tmp_path / "d", ["a", "b", "c", "d"])
    for name in ("b", "c"):
        image = folder / "im" / f"{name}.jpg"
        image.write_bytes(image.read_bytes()[:-40] + END)
    verified = call("data", "verify", "--data", folder)
    assert verified.exit_code == 1
    lines = verified.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == [str(folder / "im" / f"{name}.jpg") for name in ("b", "c")]
    ran = call("run", "--model", "otsu", "--data", folder, "--out", tmp_path / "out", "--no-save")
    assert ran.exit_code == 2
    assert "b.jpg: cannot be decoded" in ran.stderr
    assert capfd.readouterr() == ("", "")


def test_threads_read_the_same_as_one(tmp_path):
    paths = []
    for index, kind in enumerate(KINDS):
        paths.append(tmp_path / f"{index}.jpg")
        paths[-1].write_bytes(jpeg(**kind))
    with ThreadPoolExecutor(8) as pool:
        for path, pixels in zip(paths, pool.map(read_image, paths), strict=True):
            assert np.array_equal(pixels, by_opencv(path.read_bytes()))
