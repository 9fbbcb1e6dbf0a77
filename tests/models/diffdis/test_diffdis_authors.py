"""The quirks of the authors' training: pictures, outlines, noise, decay."""

import random
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hashed_weights import GOLDENS, hashed_base
from safetensors.torch import load_file
from tiny_training import TINY, begin

from disbench.data.location import find_dataset
from disbench.models._training import data, recipes
from disbench.models._training.context import TrainingContext
from disbench.models._training.schedule import Schedule
from disbench.models.diffdis import authors, batches, losses, noise, train, weights
from disbench.models.diffdis.batches import BatchPlan

SIDE = 64

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(GOLDENS / "pictures.npz"))


def choices(width, height, seed):
    """What the authors' code draws, in their order, from the two global generators."""
    numbers, arrays = random.Random(seed), np.random.RandomState(seed)
    mirrored = numbers.randint(0, 1) == 1
    crop = arrays.randint(width - 30, width), arrays.randint(height - 30, height)
    angle = arrays.randint(-15, 15) if numbers.random() > 0.8 else 0
    ranges = {"brightness": (5, 15), "contrast": (5, 15), "colour": (0, 20), "sharpness": (0, 30)}
    factors = {name: numbers.randint(low, high) / 10 for name, (low, high) in ranges.items()}
    box = None
    if numbers.random() <= 0.5:
        area = arrays.uniform(0.02, 0.4) * SIDE * SIDE
        while box is None:
            ratio = arrays.uniform(0.3, 1 / 0.3)
            w, h = int(np.sqrt(area / ratio)), int(np.sqrt(area * ratio))
            x, y = arrays.randint(0, SIDE), arrays.randint(0, SIDE)
            if x + w <= SIDE and y + h <= SIDE:
                box = x, y, x + w, y + h
    return authors.Choices(mirrored=mirrored, crop=crop, angle=angle, box=box, **factors)


@pytest.mark.parametrize("seed", [4, 5])
def test_pictures_equal_the_authors(golden, seed):
    source = [golden[f"src_{kind}"] for kind in ("rgb", "gt", "edge")]
    pictures = authors.apply_choices(source, SIDE, choices(240, 180, seed))
    for kind, got in zip(("rgb", "gt", "edge"), pictures, strict=True):
        wanted = golden[f"seed{seed}.{kind}"]
        np.testing.assert_allclose(2 * (np.moveaxis(got, -1, 0) if kind == "rgb" else got) - 1, wanted, atol=1e-6)


@pytest.mark.parametrize("kind", ["disk_aa", "soft", "border"])
def test_outlines_equal_the_authors(golden, kind):
    assert np.array_equal(authors.make_edge_map(golden[f"outline.{kind}.gt"]), golden[f"outline.{kind}.edge"])


def test_what_is_drawn_stays_in_bounds_and_covers_them():
    drawn = [authors.draw_choices((240, 180), SIDE, np.random.default_rng(seed)) for seed in range(300)]
    assert {choice.mirrored for choice in drawn} == {False, True}
    assert all(210 <= choice.crop[0] < 240 and 150 <= choice.crop[1] < 180 for choice in drawn)
    angles = [choice.angle for choice in drawn if choice.angle]
    assert 30 < len(angles) < 90 and -15 <= min(angles) < 0 < max(angles) < 15
    assert 0.5 <= min(choice.brightness for choice in drawn) < 0.7 < 1.3 < max(c.contrast for c in drawn) <= 1.5
    boxes = [choice.box for choice in drawn if choice.box]
    assert 110 < len(boxes) < 190
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= SIDE and 0 <= top < bottom <= SIDE


def test_each_quirk_of_the_pictures_is_a_switch(make_pairs, tmp_path):
    samples = find_dataset(str(make_pairs(tmp_path / "set", ["a", "b"])), None).samples

    stage = train.Stage(64, 1, 2)

    def pixels(**switches):
        recipe = train.Recipe((stage,), Schedule(1, 1), "x", augment="authors", edge_width=5, **switches)
        plan, rng = BatchPlan(step=0, stage=stage), np.random.default_rng(3)
        return batches._make_pixels(recipe, plan, samples, [0, 1], rng)

    plain = pixels(cutmix=False)
    images, masks, edges = pixels(cutmix=False, min_max=False)
    assert images.max() < 1 == plain[0].max() and masks.max() == 1
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    torch.testing.assert_close((images - low) / (high - low), plain[0])
    edges = pixels(cutmix=False, native_edges=False)[2]
    assert torch.equal(edges, data.edges(plain[1], 5)) and not torch.equal(edges, plain[2])
    boxes = {
        p: [bool(authors.draw_choices((240, 180), SIDE, np.random.default_rng(seed), p).box) for seed in range(200)]
        for p in (0.0, 0.2, 1.0)
    }
    assert not any(boxes[0.0]) and 20 < sum(boxes[0.2]) < 60 and all(boxes[1.0])
    assert not torch.equal(pixels(cutmix=1.0)[0], pixels(cutmix=0.5)[0])


def test_batch_norms_train_as_they_predict_if_asked_to():
    start = begin(recipe := replace(TINY, batch_norm=False))
    start.unet.batch_statistics = recipe.batch_norm
    before = {name: x.clone() for name, x in start.unet.named_buffers()}
    torch.manual_seed(0)
    for part in (start.unet.rgb_proj, start.unet.rgb_proj1):  # zeros as drawn
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter)
    x, scales = torch.randn(4, 4, 8, 8), tuple(torch.randn(2, 4, 8 >> k, 8 >> k) for k in range(4))
    answers = [start.unet.train(mode)(x, 999, scales, start.text) for mode in (True, False)]
    torch.testing.assert_close(*answers)
    assert all(torch.equal(before[name], x) for name, x in start.unet.named_buffers())
    start.unet.batch_statistics = True
    assert not torch.allclose(start.unet.train()(x, 999, scales, start.text), answers[1], atol=1e-3)


def test_a_constant_truth_is_zeros_and_tiny_pictures_pass():
    flat = np.full((3, 2), 255, np.uint8)
    choice = authors.draw_choices((2, 3), SIDE, np.random.default_rng(0))
    _, truth, edge = authors.apply_choices(
        (np.zeros((3, 2, 3), np.uint8), flat, authors.make_edge_map(flat)), SIDE, choice
    )
    assert not truth.any() and not edge.any()


def test_pyramid_noise_equals_the_authors():
    wanted = load_file(GOLDENS / "train.safetensors")["noise"]
    got = noise.pyramid(tuple(wanted.shape), torch.Generator().manual_seed(5), random.Random(5))
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-6)


def test_decay_equals_the_authors():
    """Their rates of epochs 1, 30, 31, 60, 61, 90 and 100, as printed by their loop."""
    schedule = Schedule(1000, 3e-5, decay="authors", epoch=10)
    rates = [schedule.lr_at(10 * (epoch - 1)) for epoch in (1, 30, 31, 60, 61, 90, 100)]
    expected = [3e-5, 3e-5, 2.85e-5, 6.439162918e-6, 5.811344534e-6, 2.966509413e-7, 6.367279136e-8]
    np.testing.assert_allclose(rates, expected, rtol=1e-8)


def test_the_papers_recipe_has_every_quirk():
    paper = recipes.read_recipe(train.Path(train.__file__).parent / "recipes" / "paper.toml", train.Recipe)
    assert (paper.augment, paper.noise, paper.shared_noise, paper.stages[0].leak) == ("authors", "pyramid", False, True)
    assert (paper.min_max, paper.native_edges, paper.batch_norm, paper.cutmix) == (True, True, True, 0.5)
    assert (paper.schedule.weight_decay, paper.schedule.clip, paper.schedule.ema) == (0, float("inf"), 0)
    recommended = recipes.read_recipe(train.Path(train.__file__).parent / "recipes" / "recommended.toml", train.Recipe)
    assert recommended.schedule.total == paper.schedule.total


@pytest.mark.parametrize("name", ["paper", "recommended"])
def test_recipes_train_from_a_base_at_small_size(name, make_pairs, tmp_path, monkeypatch):
    smaller = {
        "base": str(hashed_base(tmp_path / "base")),
        "stages": "[{ size = 64, steps = 2, batch = 2 }]",
        "size": "64",
        "pictures": "80",
        "schedule.steps": "2",
        "schedule.validate_every": "1",
        "schedule.epoch": "1" if name == "paper" else "0",
    }
    dataset = find_dataset(str(make_pairs(tmp_path / "set", ["a", "b"])), None)
    splits = {"DIS-TR": dataset.samples, "DIS-VD": dataset.samples}
    monkeypatch.setattr(train.data, "find_dataset", lambda *_, **__: SimpleNamespace(splits=splits))
    context = TrainingContext(out=tmp_path / "out", device="cpu")
    train.train_recipe(train.Path(name), None, context, changes=smaller.items())
    trained = weights.load(tmp_path / "out")
    assert trained.unet.rgb_conv[0][1].running_mean.any() == (name == "paper")
    assert (trained.prediction_type, trained.size, trained.text.shape) == ("epsilon", 64, (1, 2, 24))
    assert (tmp_path / "out" / "unet.jsonl").read_text().count("f_max") == 2


def test_noise_is_one_for_both_or_one_each(make_pairs, tmp_path):
    samples = find_dataset(str(make_pairs(tmp_path / "set", ["a", "b"])), None).samples
    begin = weights.start(str(hashed_base(tmp_path / "base")))
    stage = train.Stage(64, 1, 2)
    for shared in (True, False):
        recipe = train.Recipe((stage,), Schedule(1, 1), "x", shared_noise=shared, augment="authors", noise="pyramid")
        batch = batches.make_batch(recipe, BatchPlan(step=0, stage=stage), begin.vae, samples)
        first, second = batch.noise.chunk(2)
        assert torch.equal(first, second) == shared
        parts = losses.one_step(begin, batch)
        assert all(part.isfinite() for part in parts.values())
