"""Additional inputs of a training: paired as in a run, changed with their pictures, and part of what it resumes."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from command import call
from image_files import write
from own_registry import isolate_registry
from safetensors.torch import load_file

from disbench.data.dataset import Sample, SampleInputs
from disbench.data.location import find_dataset
from disbench.models._training import data, inputs, supervised
from disbench.models._training.changes import Augment, Change, change_inputs, draw_change
from disbench.models._training.context import TrainingContext
from disbench.models._training.data import Files, load_pictures
from disbench.models._training.schedule import Schedule
from disbench.registry.discovery import add_models_folder
from disbench.registry.loading import get_card

torch.set_num_threads(1)
SIZE = (24, 32)
NAMES = ("a", "b", "c")
# A network of the picture and its depth, whose loss asks for all three inputs.
TRAIN = """
import json
from pathlib import Path
from torch import nn
from torch.nn import functional
import torch
from disbench.models._training import supervised

class Training(supervised.Training):
    stages, multiple = ("netted",), 8

    def network(self, stage, size):
        return nn.Conv2d(4, 1, 1)

    def losses(self, net, images, masks, *, depth, prompt, box):
        assert depth.shape == masks.shape and len(prompt) == len(images) and box.shape == (len(images), 4)
        words = torch.tensor([len(text) for text in prompt])[:, None, None, None] / 10
        logits = net(torch.cat((images, depth), 1)) + words + box.mean() / 100
        return {"map": functional.binary_cross_entropy_with_logits(logits, masks)}

    def predict(self, net, images, *, depth, prompt, box):
        assert len(prompt) == 1 and box.shape == (1, 4)
        return net(torch.cat((images, depth), 1))[:, 0].sigmoid()
"""
CARD = """title = "Netted"
summary = "-"
status = "unofficial"
predictor = "predictor:Predictor"
training = "train:Training"
inputs = ["depth", "prompt", "box"]
"""


@pytest.fixture
def here(tmp_path, make_pairs, monkeypatch):
    """Three images with their inputs, and a method of one's own that is trained with them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    isolate_registry(monkeypatch)
    make_pairs(tmp_path / "mine", NAMES)
    (tmp_path / "depth").mkdir()
    for k, name in enumerate(NAMES):
        write(tmp_path / "depth" / f"{name}.png", np.full(SIZE, 20 * k, np.uint8))
    write_lines(tmp_path / "prompt.jsonl", prompt=lambda name: f"an {name}")
    write_lines(tmp_path / "box.jsonl", box=lambda name: [2, 3, 10, 12.5])
    folder = tmp_path / "models" / "netted"
    folder.mkdir(parents=True)
    (folder / "card.toml").write_text(CARD)
    (folder / "train.py").write_text(TRAIN)
    return tmp_path


def write_lines(path, names=NAMES, **values):
    [(key, value)] = values.items()
    path.write_text("".join(json.dumps({"image": name, key: value(name)}) + "\n" for name in names))


def train(out="out", steps=4, depth="depth", prompt="prompt.jsonl", box="box.jsonl", **more):
    places = {"depth": depth, "prompt": prompt, "box": box}
    given = [text for name, place in places.items() if place for text in ("--input", f"{name}={place}")]
    options = {"--data": "mine", "--size": 32, "--steps": steps, "--batch": 2, "--device": "cpu", "--out": out} | more
    return call(
        "train", "--models", "models", "--model", "netted", *(x for pair in options.items() for x in pair), *given
    )


def refused(ran, message):
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1), ran.output
    assert message in ran.stderr


# -- Values


def find_samples(depths, box=None, truth=None):
    return [
        Sample("mine", sample.name, sample.image, sample.truth, inputs=SampleInputs(
            depth=depths[sample.name], prompt=f"an {sample.name}", box=box
        ))
        for sample in find_dataset("mine").samples
    ]


def test_depth_is_changed_exactly_as_its_picture(here):
    """The depth of each image is its ground truth here, so that both must remain equal."""
    samples = find_samples({name: here / "mine" / "gt" / f"{name}.png" for name in NAMES})
    augment, rng = Augment(flip=0.5, crop=(0.5, 0.8), rotation=1.0, degrees=90.0), np.random.default_rng(0)
    for pictures in (Files(samples, 24), load_pictures(samples, 24)):
        indices = [2, 0, 1, 2]
        changes = [draw_change(augment, rng) for _ in indices]
        _, masks = data.change_pictures(pictures, indices, 24, changes)
        rows = zip(pictures.inputs.read(indices), changes, strict=True)
        batch = inputs.stack_values([change_inputs(values, 24, change) for values, change in rows])
        assert batch["depth"].dtype == torch.float32 and torch.equal(batch["depth"], masks)
        assert batch["prompt"] == ["an c", "an a", "an b", "an c"]
        assert masks.std() > 0.1 and len({mask.numpy().tobytes() for mask in masks}) == 4


def make_change(**values):
    still = {"crop": 1.0, "angle": 0.0, "mirrored": False, "offset": np.zeros(2), "factors": np.ones(3)}
    return Change(**still | values)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (make_change(), [4, 8, 12, 24]),
        (make_change(mirrored=True), [20, 8, 28, 24]),
        (make_change(crop=0.5), [0, 0, 8, 32]),
        (make_change(crop=0.5, offset=np.array([1.0, -1.0])), [0, 16, 1, 32]),  # outside: a pixel at the border
        (make_change(angle=np.pi / 2), [8, 20, 24, 28]),
    ],
)
def test_a_box_is_changed_as_its_picture(change, expected):
    box = change_inputs({"box": np.array([4.0, 8.0, 12.0, 24.0])}, 32, change)["box"]
    np.testing.assert_allclose(box, expected, atol=1e-9)


def test_a_box_holds_what_its_picture_shows_of_it():
    rng = np.random.default_rng(1)
    box = np.array([24.0, 28.0, 34.0, 42.0])  # so far inside that no border, which is mirrored, shows it again
    mask = np.zeros((64, 64), np.uint8)
    mask[28:42, 24:34] = 255
    for _ in range(20):
        change = draw_change(Augment(rotation=1.0, degrees=60.0), rng)
        changed = change_inputs({"box": box, "depth": mask}, 64, change)
        rows, columns = np.nonzero(changed["depth"] > 128)
        shown = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(changed["box"], shown, atol=1.5)


def test_boxes_are_in_pixels_of_the_reduced_picture(here):
    [sample] = [s for s in find_samples(dict.fromkeys(NAMES, None), box=(8.0, 6.0, 32.0, 24.0)) if s.name == "a"]
    assert inputs.read_values(sample, 16)["box"].tolist() == [4, 4, 16, 16]


# -- Trainings


def test_inputs_decide_the_weights_and_a_resumed_training_needs_the_same(here):
    depth = here / "depth" / "a.npy"
    (here / "depth" / "a.png").unlink()
    np.save(depth, np.zeros(SIZE, np.float32))
    assert train("whole", **{"--validate": "mine"}).exit_code == 0
    lines = [json.loads(line) for line in (here / "whole" / "netted.jsonl").read_text().splitlines()]
    assert "f_max" in lines[-1]
    write_lines(here / "others.jsonl", prompt=lambda name: "another")
    assert train("others", prompt="others.jsonl").exit_code == 0
    weights = [load_file(here / out / "netted.safetensors")["bias"] for out in ("whole", "others")]
    assert not torch.equal(*weights)
    message = "out/netted.pt: trained with other inputs; give the --input that it started with, or another --out"
    assert train().exit_code == 0
    refused(train(prompt="others.jsonl"), message)
    np.save(depth, np.ones(SIZE, np.float32))  # a file of the same size
    refused(train(), message)
    np.save(depth, np.zeros(SIZE, np.float32))
    assert train().exit_code == 0


def test_a_training_with_inputs_goes_on_to_the_same_weights(here, monkeypatch):
    add_models_folder(here / "models")
    monkeypatch.setattr(supervised, "Schedule", partial(Schedule, checkpoint_every=2))
    places = {"depth": "depth", "prompt": "prompt.jsonl", "box": "truth"}

    def stop(done, total, label):
        if done == 3 and label.startswith("netted"):
            raise KeyboardInterrupt

    def run(out, progress=None):
        recipe = supervised.Recipe(steps=6, size=32, batch=2)
        context = TrainingContext(out=here / out, device="cpu", progress=progress)
        supervised.train_model("netted", recipe, "mine", context, inputs=places)

    run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("cut", stop)
    run("cut")
    whole, cut = (load_file(here / out / "netted.safetensors") for out in ("whole", "cut"))
    assert all(torch.equal(whole[key], cut[key]) for key in whole)


def test_the_command_to_run_it_names_its_inputs(here):
    ran = train()
    assert "--input depth=DIR --input prompt=FILE.jsonl --input box=FILE.jsonl" in ran.stdout


@pytest.mark.parametrize("fault", ["missing", "extra", "size", "prompt", "box", "absent", "unwanted", "inside"])
def test_inputs_are_paired_as_strictly_as_in_a_run(here, fault):
    if fault == "missing":
        (here / "depth" / "a.png").unlink()
        refused(train(), "1 missing (a)")
    elif fault == "extra":
        write(here / "depth" / "z.png", np.zeros(SIZE, np.uint8))
        refused(train(), "1 extra (z.png)")
    elif fault == "size":
        write(here / "depth" / "a.png", np.zeros((32, 24), np.uint8))
        refused(train(), "1 of another size than the truth (a.png)")
    elif fault == "prompt":
        write_lines(here / "prompt.jsonl", NAMES[:2], prompt=lambda name: "")
        refused(train(), "1 missing (c)")
    elif fault == "box":
        write_lines(here / "box.jsonl", box=lambda name: [0, 0, 99, 4])
        refused(train(), "is not a box in an image of 32 x 24")
    elif fault == "absent":
        refused(train(prompt=None), "Netted needs prompt for each image; add --input prompt=FILE.jsonl")
    elif fault == "unwanted":
        ran = call("train", "--model", "isnet", "--data", "mine", "--input", "depth=depth", "--out", "out")
        refused(ran, "takes no depth; omit it")
    else:
        refused(train("depth/out"), "depth/out: inside depth, which the command reads")
    assert not list(here.glob("**/netted.jsonl"))


def test_dis_mini_is_not_rendered_for_inputs_that_it_does_not_have(here, monkeypatch):
    monkeypatch.setattr("disbench.data.mini.ensure_rendered", lambda *_: pytest.fail("DIS-Mini is rendered"))
    ran = call("train", "--model", "pdfnet", "--data", "mini", "--out", "out")
    refused(ran, "PDFNet needs depth for each image; add --input depth=DIR")


def test_a_recipe_takes_no_inputs(here):
    (here / "r.toml").write_text("")
    ran = call("train", "r.toml", "--data", "mine", "--input", "depth=depth", "--out", "out")
    refused(ran, "--input needs --model")


def test_a_training_set_and_its_held_out_images_have_inputs_each(here, make_pairs):
    """In a folder for each subset, as in a run; those of the held-out images are no part of what is resumed."""
    for split in ("train", "val"):
        make_pairs(here / "several" / split, NAMES)
        (here / "depths" / split).mkdir(parents=True)
        (here / "lines").mkdir(exist_ok=True)
        for name in NAMES:
            write(here / "depths" / split / f"{name}.png", np.full(SIZE, 9, np.uint8))
        write_lines(here / "lines" / f"{split}.jsonl", prompt=lambda name: "")
    (here / "several.toml").write_text(
        'title = "Several"\n'
        + "".join(f'[splits.{k}]\nimages = "several/{k}/im"\ntruths = "several/{k}/gt"\n' for k in ("train", "val"))
    )
    options = {"depth": "depths/{split}", "prompt": "lines", "box": "truth", "--data": "several.toml"}
    assert train(**options).exit_code == 0
    assert "f_max" in (here / "out" / "netted.jsonl").read_text()
    write_lines(here / "lines" / "val.jsonl", prompt=lambda name: "another")
    assert train(**options).exit_code == 0
    (here / "depths" / "val" / "a.png").unlink()
    refused(train(**options), "1 missing (a)")


def test_a_data_set_without_inputs_is_left_as_it_is(here):
    card = get_card("isnet")
    dataset = find_dataset("mine")
    assert inputs.pair_training_inputs(dataset, card=card, places={}, out=here / "out") is dataset
    assert load_pictures(dataset.samples, 8).inputs is Files(dataset.samples, 8).inputs is None
