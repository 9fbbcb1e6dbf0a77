"""What `disbench predict` writes: output arguments, pipes, formats, backgrounds, edges, batches."""

import io
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from fake_timing import FakePredictor
from photo_scene import OBJECT, SCENE, call, save, turned, written
from PIL import Image

from disbench.errors import InputError
from disbench.inference import cutouts, photos
from disbench.inference.model import Model
from disbench.inference.photo_outputs import PhotoRequest, predict_photos
from disbench.registry.loading import get_card


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
        answer = call(*arguments, data=data)
        assert answer.exit_code == 0
        kind, mask = decode(answer.stdout_bytes)  # nothing else is there
        assert kind == "PNG"
        assert np.array_equal(mask, expected)
    assert decode(call(folder / "a.png", "-", "--cutout", "--format", "webp").stdout_bytes)[0] == "WEBP"
    assert call("-", "new.png", data=data).exit_code == 0
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
        answer = call(*arguments, data=data)
        assert (answer.exit_code, answer.stdout_bytes) == (2, b""), arguments
        assert fault in answer.stderr
    answer = call("-", data=b"no picture")
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
        (folder, "neither a colour nor a file"),
        ("", "--background: got an empty text"),
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
