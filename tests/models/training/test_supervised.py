"""`disbench train --model`: the loop with a network of one layer, and the losses of the methods that have one."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from own_registry import isolate_registry
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

import disbench
from disbench.cli.main import main
from disbench.data.location import find_dataset
from disbench.errors import InputError
from disbench.models._parts.network import Weights
from disbench.models._parts.weights import SIZE, to_safetensors
from disbench.models._training import supervised
from disbench.models._training.context import TrainingContext
from disbench.models._training.data import Files, Pictures, load_pictures
from disbench.models._training.losses import bce, bce_of_logits, iou_of_logits
from disbench.models._training.schedule import Schedule
from disbench.models._training.supervised import Recipe
from disbench.models.isnet.train import Training as ISNetTraining
from disbench.models.udun.train import Training as UDUNTraining
from disbench.models.udun.train import make_trunks
from disbench.registry import discovery

torch.set_num_threads(1)


class Tiny(supervised.Training):
    """Two stages: a scale of the truth, which the second, a layer on the image, is told."""

    stages, multiple = ("first", "tiny"), 8

    def __init__(self):
        self.said, self.predictions = [], 0

    def network(self, stage, size):
        return nn.Conv2d(1 if stage == "first" else 3, 1, 1)

    def losses(self, net, images, masks):
        return {"map": bce_of_logits(net(masks if net.in_channels == 1 else functional.dropout(images, 0.1)), masks)}

    def finished(self, stage, net):
        self.said.append((stage, net.training))

    def predict(self, net, images):
        self.predictions += 1
        return net(images)[:, 0].sigmoid()


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    truths = np.zeros((6, 16, 16), np.uint8)
    for truth in truths:
        y, x = rng.integers(0, 8, 2)
        truth[y : y + 7, x : x + 7] = 255
    images = rng.integers(0, 60, (6, 16, 16, 3), np.uint8) + truths[..., None] // 2
    return Pictures(images, truths)


class Answers(nn.Module):
    """In place of a network: answers as a function does."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer(x)


DATA = SimpleNamespace(splits={})
RECIPE_FILE = Path(discovery.ROOTS[0]) / "diffdis" / "recipes" / "mini.toml"
RECIPE = Recipe(steps=30, size=16, batch=4, lr=0.1)


def test_it_learns_and_goes_on_to_the_same_weights(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(supervised, "Schedule", partial(Schedule, checkpoint_every=5))
    training = Tiny()
    supervised.train_stages(training, RECIPE, pictures, (), TrainingContext(out=tmp_path / "whole"))
    assert training.said == [("first", False), ("tiny", False)]
    lines = [json.loads(line) for line in (tmp_path / "whole" / "tiny.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20, 30]
    assert lines[-1]["map"] < lines[0]["map"]

    def killed(done, total, recipe):
        if recipe.startswith("tiny") and done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        supervised.train_stages(Tiny(), RECIPE, pictures, (), TrainingContext(out=tmp_path / "cut", progress=killed))
    supervised.train_stages(Tiny(), RECIPE, pictures, (), TrainingContext(out=tmp_path / "cut"))
    whole, cut = (load_file(tmp_path / name / "tiny.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(whole[key], cut[key]) for key in whole)
    with pytest.raises(InputError, match=r"made by another recipe, its lr is 0.1, here 0.2; choose another --out"):
        supervised.train_stages(Tiny(), replace(RECIPE, lr=0.2), pictures, (), TrainingContext(out=tmp_path / "cut"))
    fewer = Pictures(pictures.images[:5], pictures.truths[:5])
    with pytest.raises(InputError, match="its pictures is 6, here 5"):
        supervised.train_stages(Tiny(), RECIPE, fewer, (), TrainingContext(out=tmp_path / "cut"))


def test_processes_that_load_pictures_change_no_weight(pictures, tmp_path):
    recipe = replace(RECIPE, steps=6)
    for workers in (0, 2):
        context = TrainingContext(out=tmp_path / str(workers), workers=workers)
        supervised.train_stages(Tiny(), recipe, pictures, (), context)
    alone, helped = (load_file(tmp_path / name / "tiny.safetensors") for name in ("0", "2"))
    assert all(torch.equal(alone[key], helped[key]) for key in alone)


def test_several_processes_are_refused_instead_of_writing_the_same_files(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    ran = call("--model", "isnet", "--out", tmp_path / "out")
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)
    assert "--model trains in one process; start it without torchrun or accelerate launch" in ran.stderr


def test_it_starts_from_weights(pictures, tmp_path):
    net = nn.Conv2d(3, 1, 1)
    torch.save(net.state_dict(), tmp_path / "a.pth")
    recipe = Recipe(**{**vars(RECIPE), "steps": 1, "lr": 1e-9, "weights": str(tmp_path / "a.pth")})
    supervised.train_stages(Tiny(), recipe, pictures, (), TrainingContext(out=tmp_path / "out"))
    torch.testing.assert_close(load_file(tmp_path / "out" / "tiny.safetensors"), dict(net.state_dict()))


def test_weights_do_not_decay(pictures, tmp_path):
    """A loss whose gradient is 0 leaves a network as it was drawn from the seed."""

    class Still(Tiny):
        def losses(self, net, images, masks):
            return {"map": 0 * net(masks if net.in_channels == 1 else images).sum()}

    supervised.train_stages(Still(), replace(RECIPE, steps=3, seed=5), pictures, (), TrainingContext(out=tmp_path))
    torch.manual_seed(5)
    assert torch.equal(load_file(tmp_path / "tiny.safetensors")["weight"], nn.Conv2d(3, 1, 1).weight)


def test_weights_of_another_network_are_told_before_any_stage(pictures, tmp_path):
    torch.save(nn.Conv2d(3, 2, 1).state_dict(), tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth: not the weights of this Conv2d"):
        recipe = replace(RECIPE, weights=str(tmp_path / "a.pth"))
        supervised.train_stages(Tiny(), recipe, pictures, (), TrainingContext(out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


# -- Losses


@pytest.mark.slow
@pytest.mark.ci
def test_it_needs_no_diffusers():
    code = "import sys; from disbench.models._training import supervised; sys.exit('diffusers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", "import disbench.models; " + code]).returncode == 0


def test_losses_are_what_they_say():
    masks = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    assert bce([masks * 0.8 + 0.1, masks * 0 + 0.5], masks).item() == pytest.approx(-math.log(0.9) + math.log(2))
    assert bce([torch.full((1, 1, 1, 1), 0.25)], masks).item() == pytest.approx(-(math.log(0.25) + math.log(0.75)) / 2)
    assert bce_of_logits(torch.zeros(1, 1, 1, 1), masks).item() == pytest.approx(math.log(2))
    assert iou_of_logits(masks * 200 - 100, masks).item() == pytest.approx(0, abs=1e-6)
    assert iou_of_logits(100 - masks * 200, masks).item() == pytest.approx(1 - 1 / 5)


@settings(deadline=None)
@given(arrays(np.float32, (2, 1, 9, 12), elements=st.sampled_from([0.0, 0.25, 1.0])))
def test_a_trunk_is_a_part_of_its_truth(masks):
    masks = torch.from_numpy(masks)
    trunks = make_trunks(masks)
    assert ((trunks >= 0) & (trunks <= masks)).all()
    for mask, trunk in zip(masks, trunks, strict=True):
        if (mask > 0.5).any():
            assert trunk.max() > 0.9  # the deepest pixel is all trunk


def test_isnet_learns_its_encoders_features():
    training = ISNetTraining()
    images, masks = torch.rand(2, 3, 32, 32), (torch.rand(2, 1, 32, 32) > 0.5).float()
    torch.manual_seed(0)
    encoder, net = training.network("truth", 32), training.network("isnet", 32)
    first = training.losses(encoder, images, masks)
    assert first.keys() == {"maps"}
    assert 3 < first["maps"].item() < 6  # six maps that know nothing have log 2 each
    training.finished("truth", encoder.eval())
    parts = training.losses(net, images, masks)
    assert parts.keys() == {"maps", "features"}
    sum(parts.values()).backward()
    assert net.conv_in.weight.grad.abs().sum() > 0
    assert encoder.conv_in.conv.weight.grad is None
    assert training.predict(net, images).shape == (2, 32, 32)


def test_isnets_features_are_held_to_the_encoders_by_their_mean_squared_distance():
    training, masks, seen = ISNetTraining(), torch.ones(1, 1, 2, 2), []
    maps = lambda *values: [torch.full((1, 1, 2, 2), value) for value in values]  # noqa: E731
    training.finished("truth", encoder := Answers(lambda x: (None, maps(0.2, 3.0))))
    assert training.encoder is encoder
    net = Answers(lambda x: seen.append(x) or (maps(0.5, 0.25), maps(0.5, 1.0)))
    parts = training.losses(net, torch.full((1, 3, 2, 2), 0.75), masks)
    assert parts["features"].item() == pytest.approx(0.3**2 + 2**2)
    assert parts["maps"].item() == pytest.approx(math.log(2) + math.log(4))
    assert torch.equal(seen[0], torch.full((1, 3, 2, 2), 0.25))  # as `run` feeds it, less a half


def test_udun_learns_three_maps():
    training = UDUNTraining()
    torch.manual_seed(0)
    net = training.network("udun", 128)
    images, masks = torch.rand(2, 3, 128, 128), (torch.rand(2, 1, 128, 128) > 0.5).float()
    parts = training.losses(net, images, training.labels(masks))
    assert parts.keys() == {"mask", "trunk", "structure"}
    sum(parts.values()).backward()
    heads = {
        name: module.weight.grad.abs().sum() for name, module in net.named_children() if name.startswith("linear_")
    }
    assert min(heads.values()) > 0 and net.bkbone.conv1.weight.grad.abs().sum() > 0
    assert training.predict(net, images).shape == (2, 128, 128)


# -- The command


def call(*arguments):
    return CliRunner().invoke(main, ["train", *map(str, arguments)])


def test_a_model_of_ones_own_on_a_folder_of_ones_own(tmp_path, make_pairs, monkeypatch):
    isolate_registry(monkeypatch)
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    card = (
        'title = "Tiny"\nsummary = "x"\npredictor = "train:Training"\ntraining = "train:Training"\nstatus = "trivial"\n'
    )
    (folder / "card.toml").write_text(card)
    (folder / "train.py").write_text(f"import sys\nTraining = sys.modules[{__name__!r}].Tiny\n")
    data = make_pairs(tmp_path / "mine", ["a", "b"])
    sizes = ("--steps", 2, "--size", 32, "--batch", 2)
    options = ("--models", folder.parent, "--model", "tiny", "--data", data, "--out", tmp_path / "out")
    ran = call(*options, *sizes)
    assert ran.exit_code == 0, ran.output
    assert load_file(tmp_path / "out" / "tiny.safetensors").keys() == {"weight", "bias"}
    command = f"--models {folder.parent} --model tiny --weights {tmp_path}"
    assert f"To run it: disbench run {command}" in ran.output


def test_it_learns_from_the_training_split_alone(tmp_path, make_pairs, monkeypatch):
    seen = {}

    def train(training, recipe, pictures, held_out, context):
        seen.update(pictures=pictures, held_out=held_out)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(supervised, "train_stages", train)
    monkeypatch.setattr(
        supervised.data, "find_dataset", lambda location, split, progress: seen.update(split=split) or DATA
    )
    monkeypatch.setattr(supervised.data, "load_pictures", lambda samples, size: samples)
    make_pairs(tmp_path / "mini", ["a"])  # a folder of this name is not DIS-Mini
    for location, environment, split, expected in (
        ("mini", "", "DIS-TR,DIS-VD", (["tr"], ["vd"])),
        (None, "", "DIS-TR,DIS-VD", (["tr"], ["vd"])),
        ("./mini", "", None, (["own"], [])),
        (None, "./mini", None, (["own"], [])),
    ):
        monkeypatch.setenv("DISBENCH_DATA", environment)
        DATA.splits = {"DIS-VD": ["vd"], "DIS-TR": ["tr"]} if split else {"mini": ["own"]}
        context = TrainingContext(out=tmp_path / "out", device="cpu")
        weights, _ = supervised.train_model("isnet", replace(RECIPE, size=32), location, context)
        assert weights == tmp_path / "out" / "isnet.safetensors"
        assert (seen["split"], seen["pictures"], seen["held_out"]) == (split, *expected)


def test_it_validates_on_held_out_pictures(pictures, tmp_path, make_pairs):
    make_pairs(tmp_path / "mine", ["a", "b"])
    held_out = find_dataset(tmp_path / "mine").samples
    recipe = Recipe(**{**vars(RECIPE), "validate_every": 15})
    training, context = Tiny(), TrainingContext(out=tmp_path / "out")
    scores = supervised.train_stages(training, recipe, pictures, held_out, context)
    lines = [json.loads(line) for line in (tmp_path / "out" / "tiny.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "f_max" in line] == [15, 30]
    assert {key: round(value, 4) for key, value in scores.items()} == {key: lines[-1][key] for key in ("f_max", "mae")}
    assert scores["f_max"] > 0.9
    assert training.predictions == 4  # two images twice: the last validation is not repeated
    assert supervised.train_stages(Tiny(), recipe, pictures, held_out, context) == scores
    with pytest.raises(InputError, match=r"tiny\.pt: validated on other images; give the --validate"):
        supervised.train_stages(Tiny(), recipe, pictures, held_out[:1], context)


def test_noise_depends_on_the_seed_the_stage_and_the_step(pictures):
    class Noisy(Tiny):
        def losses(self, net, images, masks):
            return {"noise": torch.rand(())}

    def draw(step=0, seed=0, number=0):
        recipe = Recipe(**{**vars(RECIPE), "seed": seed})
        task = supervised._StageTask(
            training=Noisy(), recipe=recipe, pictures=pictures, inputs=None, held_out=(), number=number, device="cpu",
            workers=0,
        )  # fmt: skip
        return task.losses(None, task.batch(step))["noise"].item()

    assert draw() == draw()
    assert len({draw(), draw(step=1), draw(seed=1), draw(number=1)}) == 4


def test_values_that_are_no_probabilities_are_one_line(pictures, tmp_path):
    class Broken(Tiny):
        def losses(self, net, images, masks):
            return {"map": functional.binary_cross_entropy(masks * math.nan, masks)}

    with pytest.raises(InputError, match="step 0: the network's values are no probabilities any more; lower --lr"):
        supervised.train_stages(Broken(), RECIPE, pictures, (), TrainingContext(out=tmp_path / "out"))


def test_weights_of_the_users_stay(pictures, tmp_path, make_pairs):
    held_out = find_dataset(make_pairs(tmp_path / "mine", ["a"])).samples
    recipe = Recipe(**{**vars(RECIPE), "validate_every": 5})
    own = tmp_path / "out" / "tiny-mine.safetensors"
    own.parent.mkdir()
    own.write_bytes(b"weights")
    supervised.train_stages(Tiny(), recipe, pictures, held_out, TrainingContext(out=tmp_path / "out"))
    assert own.read_bytes() == b"weights"
    assert 1 <= len(list(own.parent.glob("tiny-[0-9]*.safetensors"))) < 6


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "give a recipe of DiffDIS, or --model NAME"),
        (("r.toml", "--model", "isnet"), "give a recipe of DiffDIS, or --model NAME"),
        (("r.toml", "--steps", "3"), "--steps needs --model"),
        (("--model", "otsu"), "Otsu has no training here; those that have: ben2, birefnet, bsanet, fp_dis"),
        (("--model", "genpercept"), "GenPercept has no training here; those that have: "),
        (("--model", "mvanet", "--size", "64"), "MVANet works at multiples of 128"),
        (("--model", "udun", "--size", "96"), "UDUN works at multiples of 128"),
        (("r.toml", "--backbone", "b.pth"), "--backbone needs --model"),
        (
            ("--model", "isnet", "--data", "mine", "--validate-every", "5"),
            "--validate-every: the data set has no DIS-VD or validation",
        ),
        (
            ("--model", "isnet", "--data", "mine", "--validate-on", "5"),
            "--validate-on: the data set has no DIS-VD or validation",
        ),
        (
            ("--model", "isnet", "--data", "gone"),
            "gone: no such folder; give --data a DIS5K folder or one with im/ and gt/",
        ),
        ((RECIPE_FILE, "--data", "mine", "--validate", "gone"), "--validate: gone: no such folder"),
        (("--model", "isnet", "--data", "mine", "--backbone", "gone.pth"), "gone.pth: no such file"),
        (("--model", "isnet", "--data", "mine", "--lr", "nan"), "--lr nan: give a number"),
        (("--model", "isnet", "--data", "mine", "--lr", "inf"), "--lr inf: give a number"),
    ],
)
def test_a_mistake_is_told(tmp_path, make_pairs, monkeypatch, arguments, why):
    monkeypatch.chdir(tmp_path)
    make_pairs(tmp_path / "mine", ["a"])
    ran = call(*arguments, "--out", tmp_path / "out")
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)
    assert why in ran.stderr


def test_a_size_must_fit():
    for name in (c.name for c in discovery.list_cards().values() if c.training):
        with pytest.raises(InputError, match=r"--option size=100: must be pixels per side, a multiple of"):
            disbench.load(name, "untrained", "cpu", size="100")
    model = disbench.load("isnet", "untrained", "cpu", size="32")
    assert model.title == "IS-Net (untrained, 32 px)"
    assert model.predict(np.zeros((20, 30, 3), np.uint8)).shape == (20, 30)


def test_a_file_says_the_size_that_it_was_trained_at(tmp_path):
    """As the option would have: in the title, in recipe decides a run's key, and at work."""
    net = disbench.load("fp_dis", "untrained", "cpu").predictor.net
    path = tmp_path / "own.safetensors"
    path.write_bytes(to_safetensors(net, {SIZE: "64"}))
    model, asked = (disbench.load("fp_dis", str(path), "cpu", **more) for more in ({}, {"size": "64"}))
    assert (model.title, model.identity, model.predictor.size) == (asked.title, asked.identity, (64, 64))
    assert model.title == "FP-DIS, unofficial (own.safetensors, 64 px)"
    assert disbench.load("fp_dis", str(path), "cpu", size="96").predictor.size == (96, 96)
    fault = "its size=100: must be pixels per side, a multiple of 32"
    for size, why in (("100", fault), ("9" * 9, "not a size in pixels")):
        path.write_bytes(to_safetensors(net, {SIZE: size}))
        with pytest.raises(InputError, match=rf"own\.safetensors.*{why}"):
            disbench.load("fp_dis", str(path), "cpu")


@pytest.mark.slow
@pytest.mark.ci
def test_networks_bound_to_a_size_take_the_files(tmp_path, monkeypatch):
    for name in ("_parts.passes", "inspyrenet.predictor"):
        monkeypatch.setattr(
            import_module(f"disbench.models.{name}"),
            "open_weights",
            lambda *_, **__: Weights(Path("w"), None, "128"),
        )
    mvanet = disbench.load("mvanet", "w", "cpu")
    assert (mvanet.title, mvanet.predictor.size) == ("MVANet (w, 128 px), passes one", (128, 128))
    inspyrenet = disbench.load("inspyrenet", "w", "cpu")
    assert inspyrenet.title == "InSPyReNet-SwinB (w, 128 px)"
    assert (inspyrenet.predictor.preset.side, inspyrenet.predictor.size) == (128, (128, 128))
    preset = disbench.load("inspyrenet", "w", "cpu", preset="DIS5K_LR")  # recipe was asked for counts
    assert (preset.title, preset.identity["size" if "size" in preset.identity else "preset"]) == (
        "InSPyReNet-SwinB (w), preset DIS5K_LR",
        "DIS5K_LR",
    )


def test_a_training_goes_on_with_its_own_pictures_alone(tmp_path, make_pairs):
    samples = find_dataset(make_pairs(tmp_path / "a", ["a", "b"])).samples
    recipe = replace(RECIPE, steps=1, batch=2)
    supervised.train_stages(Tiny(), recipe, load_pictures(samples, 16), (), TrainingContext(out=tmp_path / "out"))
    moved = find_dataset(make_pairs(tmp_path / "moved", ["a", "b"])).samples  # the same under another folder
    supervised.train_stages(Tiny(), recipe, load_pictures(moved, 16), (), TrainingContext(out=tmp_path / "out"))
    others = find_dataset(make_pairs(tmp_path / "c", ["a", "c"])).samples
    for pictures in (load_pictures(others, 16), Files(others, 16)):
        with pytest.raises(InputError, match=r"first\.pt: trained on other pictures; give the --data"):
            supervised.train_stages(Tiny(), recipe, pictures, (), TrainingContext(out=tmp_path / "out"))
    for stage in Tiny.stages:  # of before there was a digest: unknown
        path = tmp_path / "out" / f"{stage}.pt"
        torch.save({key: x for key, x in torch.load(path).items() if key != "pictures"}, path)
    supervised.train_stages(Tiny(), recipe, load_pictures(others, 16), (), TrainingContext(out=tmp_path / "out"))
