"""Inputs next to the image, depth maps, prompts and boxes: paired strictly, and part of the run key."""

import json
from pathlib import Path

import numpy as np
import pytest
from command import call
from fake_timing import SHORT
from image_files import write
from own_registry import isolate_registry

import disbench
from disbench.data.images import read_map
from disbench.data.location import find_dataset
from disbench.doctor.adapter import diagnose_adapter, sample_pictures
from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.runs.manifest import read_manifest
from disbench.timing.measure import time_model

# Models whose map is the input itself: the depth, 7 for each letter of the prompt, or 255 in the box.
MODEL = """
import numpy as np

class Predictor:
    {attribute}

    def __init__(self, card, weights, device):
        self.device, self.identity = "cpu", {{"digest": "-"}}

    def prepare(self, image, *, {name}):
        return image.transpose(2, 0, 1).astype(np.float32), self.draw(image, {name})

    def infer(self, batch):
        images, maps = batch
        assert images.ndim == 4 and images.shape[2:] == maps.shape[1:]
        return maps

    def restore(self, output, size):
        return np.rint(output * 255).astype(np.uint8)

    def draw(self, image, value):
        drawn = np.zeros(image.shape[:2], np.float32)
        {draw}
        return drawn / 255
"""
DRAW = {
    "depth": "assert value.dtype == np.uint8; drawn += value",
    "prompt": "drawn += 7 * len(value)",
    "box": "assert value.dtype == np.float64; x0, y0, x1, y1 = value.astype(int); drawn[y0:y1, x0:x1] = 255",
}
CARD = 'title = "{0}"\nsummary = "-"\nstatus = "unofficial"\npredictor = "predictor:Predictor"\ninputs = ["{0}"]\n'
SIZE = (24, 32)
NAMES = ("a", "b.1")
DEPTHS = {name: np.arange(768, dtype=np.uint16).reshape(SIZE) % 251 + k for k, name in enumerate(NAMES)}
PROMPTS = {"a": "", "b.1": "a leaf"}
BOXES = {"a": [2, 3, 10, 12.5], "b.1": [0, 0, 32, 24]}


def write_lines(path, values, name, *, image="image", suffix=""):
    path.write_text("".join(json.dumps({image: key + suffix, name: value}) + "\n" for key, value in values.items()))
    return path


@pytest.fixture
def here(tmp_path, make_pairs, monkeypatch):
    """Two images and the three inputs of each, and models: a Python file for each input, a folder for depth."""
    monkeypatch.chdir(tmp_path)
    isolate_registry(monkeypatch)
    make_pairs(tmp_path / "mine", NAMES)
    (tmp_path / "depth").mkdir()
    for name, depth in DEPTHS.items():
        write(tmp_path / "depth" / f"{name}.png", depth.astype(np.uint8))
    write_lines(tmp_path / "prompt.jsonl", PROMPTS, "prompt")
    write_lines(tmp_path / "box.jsonl", BOXES, "box")
    for name, draw in DRAW.items():
        attribute = f"inputs = ({name!r},)"
        (tmp_path / f"{name}_net.py").write_text(MODEL.format(attribute=attribute, name=name, draw=draw))
    folder = tmp_path / "models" / "depths"
    folder.mkdir(parents=True)
    (folder / "card.toml").write_text(CARD.format("depth"))
    (folder / "predictor.py").write_text(MODEL.format(attribute="pass", name="depth", draw=DRAW["depth"]))
    return tmp_path


PLACES = {"depth": "depth", "prompt": "prompt.jsonl", "box": "box.jsonl"}


def run(name="depth", place=None, model=None, data="mine", **options):
    inputs = {name: PLACES[name] if place is None else place}
    return disbench.run(model or f"{name}_net.py", data=data, inputs=inputs, **options)


def read_maps(result):
    return {row.name: read_map(result.mask(row)) for rows in result.rows.values() for row in rows}


def draw_box(x0, y0, x1, y1):
    drawn = np.zeros(SIZE, np.uint8)
    drawn[y0:y1, x0:x1] = 255
    return drawn


EXPECTED = {
    "depth": {name: depth.astype(np.uint8) for name, depth in DEPTHS.items()},
    "prompt": {"a": np.zeros(SIZE, np.uint8), "b.1": np.full(SIZE, 42, np.uint8)},
    "box": {"a": draw_box(2, 3, 10, 12), "b.1": draw_box(0, 0, 32, 24)},
}


def equal(maps, expected):
    return maps.keys() == expected.keys() and all(np.array_equal(maps[name], expected[name]) for name in maps)


@pytest.mark.parametrize("name", DRAW)
def test_a_model_receives_the_input_of_each_image(here, name):
    result = run(name)
    assert equal(read_maps(result), EXPECTED[name])
    digests = read_manifest(result.folder).identity["data"]["mine"]
    assert digests.keys() == {"truths", "images", name}


@pytest.mark.parametrize(("name", "out"), [("depth", "depth/a.png"), ("prompt", "prompt.jsonl"), ("box", "box.jsonl")])
def test_a_picture_of_a_run_does_not_overwrite_its_inputs(here, name, out):
    folder, before = run(name).folder, (here / out).read_bytes()
    ran = call("report", folder, "--format", "csv", "--out", out)
    assert ran.exit_code == 2 and out.partition("/")[0] in ran.stderr and ran.stderr.count("\n") == 1
    assert (here / out).read_bytes() == before


def test_a_card_requests_inputs_by_command_and_in_python(here):
    arguments = ("run", "--models", "models", "--model", "depths", "--data", "mine", "--no-save", "--json")
    ran = call(*arguments, "--input", "depth=depth")
    assert ran.exit_code == 0, ran.output
    assert Path(json.loads(ran.stdout)[0]["run"]).name == run(model="depths").folder.name
    described = call("models", "--models", "models", "depths")
    assert "Inputs next to the image: depth" in described.stdout
    refused = call(*arguments)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "depth needs depth for each image; add --input depth=DIR" in refused.stderr


@pytest.mark.parametrize("fault", ['inputs = ["width"]', 'inputs = "depth"', 'inputs = ["box"]\ncommand = ["x"]'])
def test_a_card_with_other_inputs_is_refused(here, fault):
    card = here / "models" / "depths" / "card.toml"
    text = CARD.replace('inputs = ["{0}"]\n', "").format("x")
    card.write_text((text.replace('predictor = "predictor:Predictor"\n', "") if "command" in fault else text) + fault)
    ran = call("run", "--models", "models", "--model", "depths", "--data", "mine")
    assert ran.exit_code == 2
    assert "card.toml: " in ran.stderr and "Traceback" not in ran.output


@pytest.mark.parametrize("name", DRAW)
def test_the_same_inputs_in_another_form_are_the_same_run(here, name):
    before = run(name)
    if name == "depth":
        (here / "depth").rename(here / "others")
        after = run(name, "others")
    else:
        values = PROMPTS if name == "prompt" else BOXES
        lines = dict(reversed(values.items()))
        path = write_lines(here / "other.json", lines, name, image="img", suffix=".jpg")
        path.write_text("\ufeff" + path.read_text().replace("\n", "\r\n\n"))
        after = run(name, path)
    assert after.folder == before.folder
    assert after.scores() == before.scores()


@pytest.mark.parametrize("name", DRAW)
def test_a_changed_byte_of_an_input_is_another_run(here, name):
    before = run(name)
    if name == "depth":
        path = here / "depth" / "a.png"
        pixels = DEPTHS["a"].astype(np.uint8)
        pixels[0, 0] += 1
        write(path, pixels)
    elif name == "prompt":
        write_lines(here / "prompt.jsonl", PROMPTS | {"a": " "}, "prompt")
    else:
        write_lines(here / "box.jsonl", BOXES | {"a": [2, 3, 10, 13]}, "box")
    after = run(name)
    assert after.folder != before.folder
    assert not equal(read_maps(after), EXPECTED[name])


@pytest.mark.parametrize("stored", ["16-bit", "float", "suffix"])
def test_depth_maps_are_read_as_prediction_maps_are(here, stored):
    for name, depth in DEPTHS.items():
        path = here / "depth" / f"{name}.png"
        path.unlink()
        if stored == "16-bit":
            write(path, (depth * 257 + 100).astype(np.uint16))
        elif stored == "float":
            np.save(path.with_name(f"{name}.npy"), depth.astype(np.float32) / 255)
        else:
            write(path.with_name(f"{name}_depth.png"), depth.astype(np.uint8))
    assert equal(read_maps(run()), EXPECTED["depth"])


def break_depth(folder, fault):
    path = folder / "depth" / "a.png"
    if fault == "missing":
        path.unlink()
    elif fault == "extra":
        write(folder / "depth" / "z.png", np.zeros(SIZE, np.uint8))
    elif fault == "duplicate":
        write(folder / "depth" / "A.bmp", np.zeros(SIZE, np.uint8))
    elif fault == "size":
        write(path, np.zeros((32, 24), np.uint8))
    elif fault == "damaged":
        path.write_bytes(path.read_bytes()[:60])
    elif fault == "empty":
        path.write_bytes(b"")
    elif fault == "colours":
        write(path, np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8))
    elif fault == "text":
        (folder / "depth" / "notes.txt").write_text("x")
    elif fault == "folder":
        for file in (folder / "depth").iterdir():
            file.unlink()
        (folder / "depth").rmdir()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("missing", "1 missing (a)"),
        ("extra", "1 extra (z.png)"),
        ("duplicate", "1 duplicate (a.png)"),
        ("size", "1 of another size than the truth (a.png)"),
        ("damaged", "a.png: cannot be decoded"),
        ("empty", "a.png: "),
        ("colours", "a.png: a mask in colours"),
        ("text", "1 not an image (notes.txt)"),
        ("folder", "depth: no such folder"),
    ],
)
def test_unfit_depth_maps_are_refused_in_one_line(here, fault, message):
    break_depth(here, fault)
    ran = call("run", "--model", "depth_net.py", "--data", "mine", "--input", "depth=depth")
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1), ran.output
    assert message in ran.stderr and "Traceback" not in ran.output


def lines(*names):
    return "\n".join(json.dumps({"image": name, "prompt": ""}) for name in names)


LINES = {
    "missing": (lines("a"), "1 missing (b.1)"),
    "extra": (lines("a", "b.1", "c"), "1 extra (c)"),
    "duplicate": (lines("a", "A", "b.1"), "1 duplicate (A)"),
    "duplicate with a suffix": (lines("a", "a.jpg", "b.1"), "1 duplicate (a.jpg)"),
    "not JSON": ("a leaf", "prompt.jsonl: line 1 cannot be read"),
    "not an object": ('["a", "leaf"]', "prompt.jsonl: line 1 cannot be read"),
    "a number": ('{"image": "a", "prompt": 3}', "prompt.jsonl: line 1 cannot be read"),
    "no prompt": ('\n{"image": "a", "text": ""}', "prompt.jsonl: line 2 has no prompt"),
    "no image": ('{"prompt": ""}', "prompt.jsonl: line 1 has no image"),
    "not UTF-8": ('{"image": "a", "prompt": "\udce9"}', "prompt.jsonl: line 1 cannot be read"),
    "nothing": ("", "2 missing (a, b.1)"),
}


@pytest.mark.parametrize("fault", LINES)
def test_unfit_prompts_are_refused_in_one_line(here, fault):
    text, message = LINES[fault]
    (here / "prompt.jsonl").write_bytes(text.encode("utf-8", "surrogateescape"))
    ran = call("run", "--model", "prompt_net.py", "--data", "mine", "--input", "prompt=prompt.jsonl")
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1), ran.output
    assert message in ran.stderr


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([0, 0, 33, 24], "is not a box in an image of 32 x 24"),
        ([4, 4, 4, 8], "is not a box"),
        ([-1, 0, 4, 8], "is not a box"),
        ([0, 0, 4], "line 1 cannot be read"),
        (["0", 0, 4, 4], "line 1 cannot be read"),
    ],
)
def test_unfit_boxes_are_refused_in_one_line(here, box, message):
    write_lines(here / "box.jsonl", {"a": box, "b.1": [0, 0, 4, 4]}, "box")
    ran = call("run", "--model", "box_net.py", "--data", "mine", "--input", "box=box.jsonl")
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1), ran.output
    assert "box.jsonl: " in ran.stderr and message in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "otsu", "--input", "depth=depth"), "Otsu takes no depth; omit it"),
        (("--model", "depth_net.py", "--input", "prompt=prompt.jsonl"), "depth_net.py takes no prompt; omit it"),
        (("--model", "depth_net.py"), "depth_net.py needs depth for each image; add --input depth=DIR"),
        (("--model", "box_net.py"), "box_net.py needs box for each image; add --input box=FILE.jsonl"),
        (("--model", "otsu", "--input", "width=1"), "--input: input 'width' is unknown; did you mean"),
        (("--model", "depth_net.py", "--input", "depth=a", "--input", "depth=b"), "given twice"),
        (("--model", "depth_net.py", "--input", "depth=truth"), "only boxes follow from ground truths"),
        (("--model", "prompt_net.py", "--input", "prompt=nowhere.jsonl"), "nowhere.jsonl: "),
        (("--model", "prompt_net.py", "--input", "prompt=depth"), "depth: a folder; give the file of prompts"),
        (("--model", "depth_net.py", "--input", "depth=depth", "--out", "depth/runs"), "inside depth"),
        (("--model", "otsu", "--maps", "depth", "--input", "depth=depth"), "omit --weights, --option, --input"),
    ],
)
def test_what_does_not_fit_together_is_refused_in_one_line(here, arguments, message):
    ran = call("run", "--data", "mine", *arguments)
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1), ran.output
    assert message in ran.stderr


def make_splits(root, make_pairs):
    for split in ("DIS-TE1", "DIS-TE2"):
        make_pairs(root / "several" / split, NAMES)
        (root / "inside" / split).mkdir(parents=True)
        for name, depth in DEPTHS.items():
            write(root / "inside" / split / f"{name}.png", depth.astype(np.uint8))
        write_lines(root / "inside" / f"{split}.jsonl", PROMPTS, "prompt")
    return root / "several"


@pytest.mark.parametrize(
    ("name", "place"),
    [("depth", "inside"), ("depth", "inside/{split}"), ("prompt", "inside"), ("prompt", "inside/{split}.jsonl")],
)
def test_several_splits_have_a_folder_or_a_file_each(here, make_pairs, name, place):
    (here / "several.toml").write_text(
        'title = "Several"\n'
        + "".join(f'[splits.{k}]\nimages = "several/DIS-TE{k}/im"\ntruths = "several/DIS-TE{k}/gt"\n' for k in (1, 2))
    )
    make_splits(here, make_pairs)
    for split in (1, 2):
        (here / "inside" / f"DIS-TE{split}").rename(here / "inside" / f"{split}")
        (here / "inside" / f"DIS-TE{split}.jsonl").rename(here / "inside" / f"{split}.jsonl")
    result = run(name, place, data="several.toml")
    assert list(result.splits) == ["1", "2"]
    assert equal({row.name: read_map(result.mask(row)) for row in result.rows["2"]}, EXPECTED[name])
    single = run(name, place, data="several.toml", split="2")
    assert list(single.splits) == ["2"]
    with pytest.raises(InputError, match=r"prompt\.jsonl: a single file for several splits.*1\.jsonl"):
        run("prompt", data="several.toml")


DESCRIPTION = """title = "Mine"
[splits.test]
images = "mine/im"
truths = "mine/gt"
depth = "depth"
prompt = "prompt.jsonl"
box = "truth"
"""


@pytest.mark.parametrize("name", ["depth", "prompt"])
def test_a_description_names_inputs(here, name):
    (here / "mine.toml").write_text(DESCRIPTION)
    result = disbench.run(f"{name}_net.py", data="mine.toml")
    assert equal(read_maps(result), EXPECTED[name])
    assert "sees_truth" not in result.identity


def test_a_description_changes_no_run_of_a_model_without_inputs(here):
    (here / "mine.toml").write_text(DESCRIPTION)
    described = disbench.run("otsu", data="mine.toml")
    (here / "mine.toml").write_text(DESCRIPTION.partition("depth")[0])
    assert disbench.run("otsu", data="mine.toml").folder == described.folder


def test_a_suite_gives_the_inputs_of_a_description(here):
    (here / "mine.toml").write_text(DESCRIPTION)
    (here / "s.toml").write_text(
        'title = "S"\n[[datasets]]\ndata = "mine.toml"\n'
        '[[methods]]\nmodel = "depth_net.py"\n[[methods]]\nmodel = "otsu"\n'
    )
    assert call("suite", "s.toml", "--plan").exit_code == 0
    ran = call("suite", "s.toml")
    assert ran.exit_code == 0, ran.output
    plan = json.loads(call("suite", "s.toml", "--plan", "--json").stdout)
    assert "done" in json.dumps(plan) and "to do" not in json.dumps(plan)


def test_boxes_of_ground_truths_hold_their_foreground_and_are_marked(here):
    result = run("box", "truth")
    for name, box in read_maps(result).items():
        truth = read_map(here / "mine" / "gt" / f"{name}.png") > 128
        rows, columns = truth.any(axis=1), truth.any(axis=0)
        assert np.array_equal(box > 0, np.outer(box.any(axis=1), box.any(axis=0)))
        assert np.array_equal(box.any(axis=1), rows) and np.array_equal(box.any(axis=0), columns)
    assert result.identity["sees_truth"] is True
    assert result.identity["data"]["mine"]["box"] == "truth"
    table = call("report", result.folder)
    assert "§: receives the ground truth, not ranked." in table.stdout
    write(here / "mine" / "gt" / "a.png", np.zeros(SIZE, np.uint8))
    with pytest.raises(InputError, match=r"a\.png: has no foreground, and so no box"):
        run("box", "truth")


def test_a_card_that_sees_truth_is_marked(here):
    card = here / "models" / "depths" / "card.toml"
    plain = call("run", "--models", "models", "--model", "depths", "--data", "mine", "--input", "depth=depth")
    card.write_text(CARD.format("depth") + "sees_truth = true\n")
    marked = call("run", "--models", "models", "--model", "depths", "--data", "mine", "--input", "depth=depth")
    assert "§" not in plain.output
    assert "§: receives the ground truth" in marked.stdout
    assert "depth receives the ground truth: its scores are marked and not ranked" in marked.stderr


# -- predict


@pytest.mark.slow
@pytest.mark.ci
def test_predict_takes_the_inputs_of_photos(here):
    folder = here / "mine" / "im"
    for name, place in PLACES.items():
        ran = call("predict", folder, "--model", f"{name}_net.py", "--input", f"{name}={place}", "--out", f"of-{name}")
        assert ran.exit_code == 0, ran.output
        maps = {path.stem: read_map(path) for path in (here / f"of-{name}").iterdir()}
        assert equal(maps, EXPECTED[name])
    again = ("predict", folder, "--model", "depth_net.py", "--input", "depth=depth", "--out", "of-depth")
    assert "existing: 2" in call(*again).stdout
    write(here / "depth" / "a.png", np.zeros(SIZE, np.uint8))
    changed = call(*again)
    assert changed.exit_code == 2 and "a.png: exists already" in changed.stderr


def test_predict_takes_the_depth_map_of_a_single_photo(here):
    ran = call("predict", "mine/im/a.jpg", "--model", "depth_net.py", "--input", "depth=depth/b.1.png")
    assert ran.exit_code == 0, ran.output
    assert np.array_equal(read_map(here / "predictions" / "a.png"), EXPECTED["depth"]["b.1"])


@pytest.mark.parametrize(
    ("name", "place", "message"),
    [
        ("depth", None, "depth_net.py needs depth for each image; add --input depth=DIR"),
        ("depth", "few", "few as depth maps of mine/im: 1 missing (b.1)"),
        ("prompt", "few.jsonl", "few.jsonl as prompts of mine/im: 1 missing (b.1)"),
        ("box", "truth", "photos have no ground truths"),
    ],
)
def test_predict_refuses_inputs_that_are_not_those_of_the_photos(here, name, place, message):
    (here / "few").mkdir()
    write(here / "few" / "a.png", np.zeros(SIZE, np.uint8))
    write_lines(here / "few.jsonl", {"a": ""}, "prompt")
    more = () if place is None else ("--input", f"{name}={place}")
    ran = call("predict", "mine/im", "--model", f"{name}_net.py", *more)
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1), ran.output
    assert message in ran.stderr


def test_a_photo_with_an_unfit_input_stops_no_other(here):
    write(here / "depth" / "a.png", np.zeros((20, 20), np.uint8))
    ran = call("predict", "mine/im", "--model", "depth_net.py", "--input", "depth=depth")
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)
    assert "depth/a.png: 20 x 20 pixels, but its image has 32 x 24; resize the depth map" in ran.stderr
    assert [path.name for path in (here / "predictions").iterdir()] == ["b.1.png"]
    write_lines(here / "box.jsonl", BOXES | {"a": [0, 0, 99, 9]}, "box")
    ran = call("predict", "mine/im", "--model", "box_net.py", "--input", "box=box.jsonl", "--out", "boxes")
    assert "a.jpg: its box: [0.0, 0.0, 99.0, 9.0] is not a box in an image of 32 x 24" in ran.stderr


# -- Python, time and doctor


def test_predict_in_python_checks_the_values(here):
    image, depth = np.zeros((*SIZE, 3), np.uint8), DEPTHS["a"].astype(np.uint8)
    model = load_model("depth_net.py")
    strided = np.asfortranarray(depth)
    strided.flags.writeable = False
    assert np.array_equal(model.predict(image, depth=strided), depth)
    for inputs, message in (
        ({}, "depth_net.py needs depth for each image"),
        ({"depth": depth, "prompt": ""}, "depth_net.py takes no prompt"),
        ({"depth": depth[1:]}, "depth: 32 x 23 pixels, but its image has 32 x 24"),
        ({"depth": depth / 255}, "depth: got float64"),
        ({"depth": "depth"}, "depth: got a str"),
    ):
        with pytest.raises(InputError, match=message):
            model.predict(image, **inputs)
    with pytest.raises(InputError, match="prompt: got b'x'"):
        load_model("prompt_net.py").predict(image, prompt=b"x")
    boxes = load_model("box_net.py")
    assert np.array_equal(boxes.predict(image, box=(2, 3, 10, 12)), draw_box(2, 3, 10, 12))
    for box in ((0, 0, 33, 24), (1, 1, 1, 2), (0, 0, float("nan"), 4), (1, 2, 3), "box", None):
        with pytest.raises(InputError, match="box: "):
            boxes.predict(image, box=box)
    with pytest.raises(InputError, match="inputs: got 'depth'"):
        disbench.run("depth_net.py", data="mine", inputs="depth")


@pytest.mark.parametrize("returned", ["[image]", "(image, [1])", "()", "image[0]"])
def test_prepare_returns_an_array_or_a_tuple_of_arrays(here, returned):
    line = "return image.transpose(2, 0, 1).astype(np.float32), self.draw(image, depth)"
    (here / "bad.py").write_text((here / "depth_net.py").read_text().replace(line, f"return {returned}"))
    with pytest.raises(InputError, match=r"prepare returns .+, not \(c, H, W\) or a tuple of arrays"):
        load_model("bad.py").predict(np.zeros((*SIZE, 3), np.uint8), depth=DEPTHS["a"].astype(np.uint8))


@pytest.mark.slow
@pytest.mark.ci
def test_time_and_doctor_cope_with_inputs_and_tuples(here, monkeypatch):
    names = ", ".join(PLACES)
    draw = "depth, prompt, box = value; drawn += depth; assert prompt == '' and box.shape == (4,)"
    text = MODEL.format(attribute=f"inputs = {tuple(PLACES)}", name=names, draw=draw)
    (here / "all.py").write_text(text.replace(f"self.draw(image, {names})", f"self.draw(image, ({names}))"))
    write_lines(here / "prompt.jsonl", dict.fromkeys(NAMES, ""), "prompt")
    with pytest.raises(InputError, match=r"all\.py needs depth"):
        time_model(load_model("all.py"), find_dataset("mine"))
    monkeypatch.setattr("disbench.timing.rule.QUICK", SHORT)
    inputs = [argument for name, place in PLACES.items() for argument in ("--input", f"{name}={place}")]
    timed = call("time", "--model", "all.py", "--data", "mine", *inputs, "--quick", "--batch", "2", "--out", "t.json")
    assert timed.exit_code in (0, 1), timed.output  # a machine under load may fail the audit of repeated inputs
    assert json.loads((here / "t.json").read_text())["throughput"].keys() == {"1", "2"}
    pictures = [(image[:60, :80], truth[:60, :80]) for image, truth in sample_pictures(2)]
    faults = [verdict.check for verdict in diagnose_adapter(load_model("all.py"), pictures) if not verdict.ok]
    assert faults in ([], ["score"])
