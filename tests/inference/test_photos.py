"""`disbench predict` on a user's own pictures: seen as shown, none lost, none overwritten."""

import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photo_scene import OBJECT, SCENE, call, save, turned, written
from PIL import Image

from disbench.errors import InputError
from disbench.inference import cutouts, photos

# -- Reading


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_a_viewer_turns_it(folder, suffix, orientation):
    path = save(folder / f"a.{suffix}", exif=turned(orientation))
    seen = photos.read_photo(path).pixels[..., 0] > 100
    upright = OBJECT.T if orientation > 4 else OBJECT
    corner = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}[orientation]
    expected = np.flip(upright, [axis for axis in (0, 1) if corner[axis]])
    assert seen.shape == expected.shape
    assert (seen != expected).mean() < 0.03  # lossy formats blur the outline


@pytest.mark.parametrize(
    ("name", "convert", "tolerance"),
    [
        ("a.png", lambda image: image.quantize(4), 0),
        ("a.gif", lambda image: image.quantize(4), 0),
        ("a.jpg", lambda image: image.convert("CMYK"), 3),
        ("a.tif", lambda image: image.convert("CMYK"), 0),
        ("a.bmp", lambda image: image, 0),
    ],
)
def test_colours_in_other_forms(folder, name, convert, tolerance):
    convert(Image.fromarray(SCENE)).save(folder / name)
    seen = photos.read_photo(folder / name).pixels.astype(int)
    assert np.abs(seen - SCENE).mean() <= tolerance


def test_grey_of_any_depth(folder):
    grey = SCENE[..., 0]
    for name, pixels in (("a.png", grey), ("b.png", grey.astype(np.uint16) * 257), ("c.png", OBJECT)):
        seen = photos.read_photo(save(folder / name, pixels)).pixels
        expected = OBJECT * 255 if pixels.dtype == bool else grey
        assert np.array_equal(seen, np.repeat(expected[..., None], 3, axis=2))


def test_16_bits_are_rounded_to_the_nearest_of_8(folder):
    """To 1/257 of them: 200 is nearer to 1 than to 0, and 65406 to 254 than to 255."""
    deep = np.array([[200, 65406, 65535, 128, 129]], np.uint16)
    seen = photos.read_photo(save(folder / "a.png", deep)).pixels
    assert seen[0, :, 0].tolist() == [1, 254, 255, 0, 1]
    assert (seen == seen[..., :1]).all()


def test_what_is_transparent_is_seen_on_white(folder):
    alpha = np.where(OBJECT, 255, 0).astype(np.uint8)
    seen = photos.read_photo(save(folder / "a.png", np.dstack([SCENE, alpha]))).pixels
    assert np.array_equal(seen, np.where(OBJECT[..., None], SCENE, 255))
    save(folder / "b.gif", np.dstack([SCENE, alpha]))
    assert (photos.read_photo(folder / "b.gif").pixels[~OBJECT] == 255).all()


def test_floats_are_refused(folder):
    save(folder / "a.tif", SCENE[..., 0].astype(np.float32))
    with pytest.raises(InputError, match="float32 values; save it with 8 or 16 bits"):
        photos.read_photo(folder / "a.tif")


# -- Writing


def test_a_mask_and_a_cut_out(folder):
    save(folder / "a.png", exif=turned(6))
    assert call(folder / "a.png").exit_code == 0
    mask = written("predictions/a.png")
    assert (mask.dtype, mask.shape, set(np.unique(mask))) == (np.uint8, (30, 20), {0, 255})
    assert "colours not decontaminated" in call(folder / "a.png", "--cutout", "--out", "cut").stdout
    upright = np.rot90(SCENE, -1)  # orientation 6 is shown turned clockwise
    inside = upright[..., 0] > 100
    assert np.array_equal(mask, inside * 255)
    cut = written("cut/a.png")
    assert (cut.dtype, cut.shape) == (np.uint8, (30, 20, 4))
    assert (cut[inside] == (200, 180, 160, 255)).all()
    assert (cut[~inside] == 0).all()


def test_a_cut_out_has_the_mask_as_alpha_and_whole_colours_wherever_that_is_not_0():
    pixels = np.array([[[9, 8, 7], [6, 5, 4], [3, 2, 1]]], np.uint8)
    cut = cutouts.cut_out(pixels, np.array([[0, 1, 255]], np.uint8))
    assert cut.tolist() == [[[0, 0, 0, 0], [6, 5, 4, 1], [3, 2, 1, 255]]]


def test_a_cut_out_keeps_the_colour_profile(folder):
    save(folder / "a.png", icc_profile=b"a profile")
    call(folder / "a.png", "--cutout")
    with Image.open("predictions/a.png") as image:
        assert image.info["icc_profile"] == b"a profile"


def test_a_mask_has_no_colour_profile(folder):
    save(folder / "a.png", icc_profile=b"a profile")
    call(folder / "a.png")
    with Image.open("predictions/a.png") as image:
        assert image.mode == "L"
        assert "icc_profile" not in image.info


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_a_cut_out_in_rgb_has_no_profile_of_other_colours(folder, mode):
    """Of a file in CMYK or grey, whose profile does not say what these colours are."""
    suffix = "jpg" if mode == "CMYK" else "png"
    Image.fromarray(SCENE).convert(mode).save(folder / f"a.{suffix}", icc_profile=b"a profile")
    assert photos.read_photo(folder / f"a.{suffix}").profile is None
    assert call(folder / f"a.{suffix}", "--cutout").exit_code == 0
    with Image.open("predictions/a.png") as image:
        assert image.mode == "RGBA"
        assert "icc_profile" not in image.info


def test_unreadable_ones_are_named_at_the_end_and_stop_no_other(folder):
    save(folder / "a.jpg")
    (folder / "b.jpg").write_bytes((folder / "a.jpg").read_bytes()[:300])
    (folder / "c.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (folder / "notes.txt").write_text("x")
    (folder / "sub").mkdir()
    save(folder / "sub" / "z.png")
    ran = call(folder, "--json")
    assert ran.exit_code == 2
    told = json.loads(ran.stdout)
    assert [one["file"] for one in told["written"]] == ["predictions/a.png", "predictions/sub/z.png"]
    assert [one["image"] for one in told["failed"]] == [str(folder / "b.jpg"), str(folder / "c.heic")]
    assert told["not_pictures"] == 1
    assert "b.jpg: cannot be read" in ran.stderr and "Traceback" not in ran.stderr


def test_a_name_that_is_no_text_is_told_all_the_same(folder):
    try:
        (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes text alone")
    for how in ((), ("--json",)):
        ran = call(folder, *how)
        assert ran.exit_code == 2
        assert r"caf\udce9.jpg: cannot be read" in ran.stderr


def test_it_goes_on_and_keeps_what_is_not_its_own(folder):
    save(folder / "a.jpg")
    assert "masks written to predictions: 1\n" in call(folder).stdout
    save(folder / "b.jpg")
    assert "masks written to predictions: 1; existing: 1" in call(folder).stdout
    other = call(folder, "--cutout")
    assert other.exit_code == 2
    assert "another picture, model or kind; give --again" in other.stderr
    assert call(folder, "--cutout", "--again").exit_code == 0
    save(folder / "a.jpg", 255 - SCENE)
    assert call(folder, "--cutout").stderr.count("give --again") == 1
    save(folder.parent / "predictions" / "c.png")
    save(folder / "c.jpg")
    assert "not disbench's" in call(folder, "--cutout").stderr
    assert np.array_equal(written("predictions/c.png"), SCENE)


@pytest.mark.parametrize("out", ["in", "in/masks/.."])
def test_it_never_overwrites_a_picture(folder, out):
    save(folder / "a.png")
    for where in (folder, folder / "a.png"):
        ran = call(where, "--out", out, "--again")
        assert ran.exit_code == 2
        assert "would be overwritten" in ran.stderr
    assert np.array_equal(written(folder / "a.png"), SCENE)


def test_its_own_files_are_no_pictures(folder):
    save(folder / "a.jpg")
    call(folder, "--out", folder / "masks")
    assert [p.name for p in photos.find_photos([folder], folder / "masks")[0]] == ["a.jpg"]
    assert [p.name for p in photos.find_photos([folder], folder.parent)[0]] == ["a.jpg"]
    assert [p.name for p in photos.find_photos([folder / "masks" / "a.png"], folder.parent)[0]] == ["a.png"]
    with pytest.raises(InputError, match="no photos in it; its pictures are masks or cut-outs of disbench"):
        photos.find_photos([folder / "masks"], folder.parent)
    for _ in range(2):  # next to the photos
        assert call(folder, folder).exit_code == 0
        assert sorted(path.name for path in folder.iterdir()) == ["a.jpg", "a.png", "masks"]


def test_photos_in_linked_folders_are_found_once(folder):
    (folder / "real").mkdir()
    save(folder / "real" / "x.png")
    place = folder / "in"
    place.mkdir()
    save(place / "a.png")
    (place / "album").symlink_to("../real")
    (folder / "real" / "round").symlink_to("../in")
    outputs, _ = photos.find_photos([place], folder / "out")
    assert sorted(path.relative_to(place).as_posix() for path in outputs) == ["a.png", "album/x.png"]
    (place / "photos").mkdir()
    save(place / "photos" / "y.png")
    (place / ".latest").symlink_to("photos")
    (place / "a_link").symlink_to("photos")
    outputs, _ = photos.find_photos([place], folder / "out")
    assert sorted(path.relative_to(place).as_posix() for path in outputs) == ["a.png", "album/x.png", "photos/y.png"]


@pytest.mark.parametrize("name", ["x.png", "x.webp", "x.jpg"])
def test_damaged_metadata_hide_no_pixels(folder, name):
    Image.new("RGB", (8, 6), (200, 30, 30)).save(folder / name, exif=b"garbagegarbage")
    assert photos.read_photo(folder / name).pixels.shape == (6, 8, 3)


def test_a_name_of_dots_stays_in_the_folder(folder):
    photo = save(folder / "a.png").rename(folder / "..png")
    outputs, _ = photos.find_photos([photo], folder / "out" / "in")
    assert [path.resolve().parent for path in outputs.values()] == [(folder / "out" / "in").resolve()]


@settings(deadline=None)
@given(
    st.sets(
        st.builds(
            "{}{}".format,
            st.sampled_from(["a", "A", "a.jpg", "a.jpg.png", "b"]),
            st.sampled_from([".jpg", ".png", ".PNG", ".webp"]),
        ),
        min_size=1,
    )
)
def test_no_two_pictures_share_a_file(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("names")
    for name in names:
        (folder / name).touch()
    outputs, others = photos.find_photos([folder], folder / "out")
    assert (len(outputs), others) == (len(names), 0)
    assert len(set(outputs.values())) == len(names)
    lonely = [path for path in outputs if sum(p.stem.casefold() == path.stem.casefold() for p in outputs) == 1]
    assert all(outputs[path].name in (f"{path.stem}.png", f"{path.name}.png") for path in lonely)


@pytest.mark.parametrize(("where", "why"), [("nowhere", "no such file or folder"), (".", "no photos in it")])
def test_nothing_to_do_is_told(folder, where, why):
    ran = call(folder / where)
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)
    assert why in ran.stderr


# -- Formats, damage and files that are none


def test_postscript_is_never_run_whatever_its_name(folder, monkeypatch):
    """Pillow would start the program that is first in its search: a Ghostscript that leaves a trace."""
    (folder.parent / "gs").write_text(f"#!/bin/sh\ntouch {folder.parent}/ran\n")
    (folder.parent / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder.parent), prepend=os.pathsep)
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    for suffix in ("jpg", "png", "tif"):
        (folder / f"a.{suffix}").write_bytes(
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n"
        )
    ran = call(folder)
    assert ran.exit_code == 2
    assert ran.stderr.count("as it is none of BMP, JPEG, PNG, TIFF, WEBP, AVIF, GIF, JPEG2000, MPO") == 3
    assert not (folder.parent / "ran").exists()


@pytest.mark.parametrize("kind", ["PPM", "TGA", "ICO", "PCX"])
def test_a_format_that_is_not_listed_is_refused(folder, kind):
    save(folder / "a.png", SCENE[..., 0] if kind == "PCX" else SCENE, format=kind)
    with pytest.raises(InputError, match=r"a\.png: cannot be read, as it is none of"):
        photos.read_photo(folder / "a.png")


@pytest.mark.parametrize("kind", ["GIF", "JPEG2000", "BMP", "WEBP", "MPO"])
def test_a_format_that_is_listed_is_read_under_any_name(folder, kind):
    save(folder / "a.png", format=kind)
    assert photos.read_photo(folder / "a.png").pixels.shape == SCENE.shape


@pytest.mark.parametrize("progressive", [False, True])
def test_half_a_jpeg_is_refused_without_a_word_of_the_decoder(folder, progressive, capfd):
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    data = save(folder / "a.jpg", noise, progressive=progressive).read_bytes()
    (folder / "a.jpg").write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    save(folder / "b.tif", noise, compression="tiff_lzw")
    data = (folder / "b.tif").read_bytes()
    (folder / "b.tif").write_bytes(data[:300] + b"\xff" * 60 + data[360:])
    ran = call(folder)
    assert ran.exit_code == 2
    for name in ("a.jpg", "b.tif"):
        assert f"{folder / name}: cannot be decoded (truncated, or damaged); replace the file" in ran.stderr
    assert capfd.readouterr() == ("", "")


def test_broken_links_and_pipes_are_reported_and_stop_no_other(folder):
    save(folder / "a.png")
    (folder / "b.png").symlink_to("gone.png")
    (folder / "album").symlink_to("nowhere")
    os.mkfifo(folder / "c.jpg")
    os.mkfifo(folder / "notes")
    ran = call(folder, "--json")
    assert ran.exit_code == 2
    document = json.loads(ran.stdout)
    assert [entry["file"] for entry in document["written"]] == ["predictions/a.png"]
    failed = [entry["image"] for entry in document["failed"]]
    assert failed == [str(folder / name) for name in ("album", "b.png", "c.jpg")]
    assert document["not_pictures"] == 1
    assert ran.stderr.count("a broken link; restore") == 2
    assert ran.stderr.count("a pipe, socket or device; give a regular file") == 1


def test_a_broken_link_and_a_pipe_as_the_photo_are_named(folder):
    (folder / "b.png").symlink_to("gone.png")
    os.mkfifo(folder / "c.jpg")
    for name, fault in (("b.png", "a broken link"), ("c.jpg", "a pipe, socket or device")):
        ran = call(folder / name)
        assert ran.exit_code == 2
        assert f"{folder / name}: {fault}" in ran.stderr


def test_a_photo_that_changes_while_it_is_read_is_named_and_not_written(folder, monkeypatch):
    """Otherwise its mask would pass for that of the photo before."""
    photo, read = save(folder / "a.png"), photos.read_photo

    def read_and_change(path):
        pixels = read(path)
        save(photo, 255 - SCENE)
        return pixels

    monkeypatch.setattr(photos, "read_photo", read_and_change)
    answer = call("in", "--out", "out")
    assert "in/a.png: changed after it was hashed" in answer.output
    assert not list(folder.parent.glob("out/*"))
