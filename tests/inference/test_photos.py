"""`disbench predict` on a user's own pictures: seen as shown, none lost, none overwritten."""

import io
import json
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner
from fake_timing import FakePredictor
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from disbench.cli.main import main
from disbench.errors import InputError
from disbench.inference import cutouts, photos
from disbench.inference.model import Model
from disbench.inference.photo_outputs import PhotoRequest, predict_photos
from disbench.registry.loading import get_card

SCENE = np.full((20, 30, 3), 30, np.uint8)
SCENE[5:15, 4:12] = (200, 180, 160)  # left of the middle, so a turn shows
OBJECT = SCENE[..., 0] > 100


def call(*arguments):
    return CliRunner().invoke(main, ["predict", *map(str, arguments), "--model", "otsu"])


def written(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def save(path, pixels=SCENE, **how):
    Image.fromarray(pixels).save(path, **how)
    return path


# -- Reading


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


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


# -- Output, streams, formats, backgrounds


def stream(data, *arguments):
    return CliRunner().invoke(main, ["predict", *map(str, arguments), "--model", "otsu"], input=data)


def decode(data):
    with Image.open(io.BytesIO(data)) as image:
        return image.format, np.asarray(image)


def test_the_last_argument_is_the_output(folder):
    photo = save(folder / "a.jpg", quality=95)
    other = save(folder / "b.png")
    (folder / "sub").mkdir()
    save(folder / "sub" / "c.png")
    assert call(photo, "cut/mask.png").exit_code == 0
    assert written("cut/mask.png").shape == SCENE.shape[:2]
    assert "written to masks: 3" in call(photo, other, folder / "sub", "masks").stdout
    assert sorted(file.name for file in Path("masks").iterdir()) == ["a.png", "b.png", "c.png"]
    assert "written to two: 2" in call(photo, other, "--out", "two").stdout
    for arguments, fault in (
        ((photo, other), "b.png: the last argument is the output, and this file is not disbench's"),
        ((photo, other, "--again"), "is not disbench's"),
        ((photo, other, "mask.png"), "mask.png: the output is a folder"),
        ((folder, "mask.png"), "mask.png: the output is a folder"),
        ((photo, "mask.tif"), "mask.tif: .tif is not written"),
        ((photo, "mask.png", "--format", "webp"), "its suffix is that of png"),
        ((photo, photo.parent / "." / "a.jpg", "--out", folder / "a.jpg"), "the output is a folder"),
    ):
        answer = call(*arguments)
        assert (answer.exit_code, answer.stderr.count("\n")) == (2, 1), answer.output
        assert fault in answer.stderr
    assert np.array_equal(written(other), SCENE)


def test_photos_of_one_name_in_two_places_are_not_written_to_one_file(folder):
    for name in ("x", "y"):
        (folder / name).mkdir()
        save(folder / name / "a.png")
    answer = call(folder / "x", folder / "y", "out")
    assert answer.exit_code == 2
    assert f"{folder}/y/a.png: would be written to out/a.png, as {folder}/x/a.png" in answer.stderr
    assert call(folder, "out").exit_code == 0  # their common folder


def test_a_photo_goes_through_pipes(folder):
    data = save(folder / "a.png", exif=turned(6)).read_bytes()
    call(folder / "a.png")
    expected = written("predictions/a.png")
    for arguments in (("-",), ("-", "-"), ("-", "--out", "-")):
        answer = stream(data, *arguments)
        assert answer.exit_code == 0
        kind, mask = decode(answer.stdout_bytes)  # nothing else is there
        assert kind == "PNG"
        assert np.array_equal(mask, expected)
    assert decode(stream(b"", folder / "a.png", "-", "--cutout", "--format", "webp").stdout_bytes)[0] == "WEBP"
    assert stream(data, "-", "new.png").exit_code == 0
    assert np.array_equal(written("new.png"), expected)
    assert not list(folder.parent.glob("stdin*"))


def test_streams_that_do_not_fit_are_refused(folder):
    data = save(folder / "a.png").read_bytes()
    save(folder / "b.png")
    for arguments, fault in (
        (("-", "--json"), "--json: standard output takes the image"),
        ((folder, "-"), "standard output takes one image"),
        ((folder / "a.png", folder / "b.png", "-"), "standard output takes one image"),
        (("-", "-", "out"), "standard input is one photo"),
    ):
        answer = stream(data, *arguments)
        assert (answer.exit_code, answer.stdout_bytes) == (2, b""), arguments
        assert fault in answer.stderr
    answer = stream(b"no picture", "-")
    assert (answer.exit_code, answer.stdout_bytes) == (2, b"")
    assert answer.stderr.startswith("disbench: standard input: cannot be read")


def test_a_cut_out_on_a_colour_and_on_an_image_that_covers_it(folder):
    photo = save(folder / "a.png")
    for text, colour in (("red", (255, 0, 0)), ("#00ff80", (0, 255, 128))):
        assert call(photo, f"{text.strip('#')}.png", "--background", text).exit_code == 0
        pixels = written(f"{text.strip('#')}.png")
        assert (pixels[OBJECT] == SCENE[OBJECT]).all()
        assert (pixels[~OBJECT] == colour).all()
    wide = np.zeros((20, 60, 3), np.uint8)  # scaled to cover, its middle is seen
    wide[:, :15], wide[:, 15:45], wide[:, 45:] = 255, (0, 0, 200), 255
    backdrop = save(folder.parent / "wide.png", wide)
    assert call(photo, "wide-cut.png", "--background", backdrop).exit_code == 0
    assert (written("wide-cut.png")[~OBJECT][:, 2] >= 190).all() and written("wide-cut.png")[0, 15, 0] == 0
    for text, fault in (
        ("nocolour", "neither a colour nor a file"),
        ("#ff000080", "a colour with alpha"),
        (folder, "in: "),
    ):
        answer = call(photo, "x.png", "--background", text)
        assert (answer.exit_code, answer.stderr.count("\n")) == (2, 1), answer.output
        assert fault in answer.stderr
    answer = call(photo, "--out", backdrop, "--again", "--background", backdrop)
    assert answer.exit_code == 2 and "which the command reads" in answer.stderr
    assert np.array_equal(written(backdrop), wide)


def test_a_mixed_pixel_is_mixed():
    photo = cutouts.Photo(pixels=np.full((1, 3, 3), 200, np.uint8), profile=None)
    rendering = cutouts.Rendering(background=np.zeros((1, 1, 3), np.uint8))
    mixed = cutouts.render(photo, np.array([[0, 128, 255]], np.uint8), rendering)
    assert mixed[0, :, 0].tolist() == [0, 100, 200]


@pytest.mark.parametrize("format_", ["png", "webp", "jpeg"])
def test_formats_are_written_and_resumed(folder, format_):
    photo = save(folder / "a.png", icc_profile=b"a profile")
    file = f"out/a{cutouts.FORMATS[format_]}"
    command = (photo, "out/", "--format", format_, "--background", "white")
    assert "existing" not in call(*command).stdout
    assert "written to out: 0; existing: 1" in call(*command).stdout
    assert "give --again" in call(*command[:-1], "black").stderr
    with Image.open(file) as image:
        assert image.format == format_.upper()
        assert image.info["icc_profile"] == b"a profile"
        tolerance = 12 if format_ == "jpeg" else 0
        assert np.abs(np.asarray(image).astype(int)[OBJECT] - SCENE[OBJECT]).max() <= tolerance


def test_webp_keeps_a_cut_out_to_the_last_bit_and_jpeg_refuses_it(folder):
    photo = save(folder / "a.png")
    call(photo, "a.png", "--cutout")
    call(photo, "a.webp", "--cutout")
    assert np.array_equal(written("a.png"), written("a.webp"))
    for arguments in (("a.jpg",), ("out", "--format", "jpeg")):
        answer = call(photo, *arguments, "--cutout")
        assert answer.exit_code == 2
        assert "JPEG has no transparency; give --background" in answer.stderr
    assert call(photo, "mask.jpg").exit_code == 0


def test_a_format_that_cannot_hold_a_picture_is_named():
    with pytest.raises(InputError, match="--format webp: cannot hold 16384 x 1 pixels"):
        cutouts.encode(np.zeros((1, 16384), np.uint8), "", None, "webp")


def test_decontamination_needs_colours_and_its_package(folder, monkeypatch):
    photo = save(folder / "a.png")
    assert "a mask has no colours; add --cutout" in call(photo, "a.png", "--decontaminate").stderr
    monkeypatch.setitem(sys.modules, "pymatting", None)
    answer = call(photo, "a.png", "--cutout", "--decontaminate")
    assert answer.exit_code == 2
    assert "--decontaminate needs pymatting" in answer.stderr
    assert "pip install 'disbench[matting]'" in answer.stderr


def test_partly_covered_pixels_get_the_colours_that_are_estimated(monkeypatch):
    module = ModuleType("pymatting.foreground.estimate_foreground_ml")
    module.estimate_foreground_ml = lambda image, alpha: np.full_like(image, 0.8)
    for name in ("pymatting", "pymatting.foreground"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    photo = cutouts.Photo(pixels=np.full((1, 3, 3), 100, np.uint8), profile=None)
    rendering = cutouts.Rendering(cutout=True, decontaminate=True)
    cut = cutouts.render(photo, np.array([[0, 128, 255]], np.uint8), rendering)
    assert cut[0].tolist() == [[0, 0, 0, 0], [204, 204, 204, 128], [100, 100, 100, 255]]


def test_a_photo_that_fails_in_a_batch_fails_alone(folder, monkeypatch):
    for k in range(3):
        save(folder / f"{k}.png", np.full((8, 9, 3), 40 * k, np.uint8))
    outputs, _ = photos.find_photos([folder], folder.parent / "out")
    model = Model(get_card("otsu"), Batches())

    def infer(batch):
        if (batch > 0.3).any():
            raise InputError("too bright")
        return FakePredictor.infer(model.predictor, batch)

    monkeypatch.setattr(model.predictor, "infer", infer)
    outcomes = list(predict_photos(model, outputs, PhotoRequest(batch=3)))
    assert [outcome.fault for outcome in outcomes] == [None, None, "too bright"]

    def run_out(batch):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(model.predictor, "infer", run_out)
    with pytest.raises(InputError, match="--batch 3 is too large: Otsu: out of memory on cpu"):
        list(predict_photos(model, outputs, PhotoRequest(batch=3, overwrite=True)))


@pytest.mark.slow
@pytest.mark.ci  # it compiles itself when it is first used
def test_the_edge_of_a_red_object_on_green_is_red():
    pytest.importorskip("pymatting")
    alpha = np.tile(np.clip(np.linspace(-1, 2, 60), 0, 1), (40, 1))
    pixels = np.stack([255 * alpha, 255 * (1 - alpha), 0 * alpha], 2).astype(np.uint8)
    mask = np.rint(alpha * 255).astype(np.uint8)
    photo = cutouts.Photo(pixels=pixels, profile=None)
    edge = (mask > 30) & (mask < 225)
    for decontaminate, most in ((False, 230), (True, 20)):
        cut = cutouts.render(photo, mask, cutouts.Rendering(cutout=True, decontaminate=decontaminate))
        green = cut[edge][:, 1].max()
        assert green <= most if decontaminate else green > 200


class Batches(FakePredictor):
    """Remembers the shapes of its batches."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def infer(self, batch):
        self.shapes.append(batch.shape)
        return super().infer(batch)


def test_photos_of_one_size_go_through_the_network_together(folder):
    sizes = {"a": (8, 9), "b": (8, 9), "c": (5, 6), "d": (8, 9), "e": (8, 9)}
    for k, (name, size) in enumerate(sizes.items()):
        save(folder / f"{name}.png", np.full((*size, 3), 40 * k, np.uint8))
    (folder / "bb.png").write_bytes(b"x")
    outputs, _ = photos.find_photos([folder], folder.parent / "out")
    model = Model(get_card("otsu"), Batches())
    outcomes = list(predict_photos(model, outputs, PhotoRequest(batch=4)))
    assert [shape[0] for shape in model.predictor.shapes] == [3, 1, 1]
    assert [outcome.image.stem for outcome in outcomes] == ["a", "b", "bb", "c", "d", "e"]
    assert [outcome.image.stem for outcome in outcomes if outcome.fault] == ["bb"]
    single = Model(get_card("otsu"), Batches())
    for k, (name, size) in enumerate(sizes.items()):
        mask = written(f"out/{name}.png")
        assert mask.shape == size
        assert np.array_equal(mask, single.predict(np.full((*size, 3), 40 * k, np.uint8)))
