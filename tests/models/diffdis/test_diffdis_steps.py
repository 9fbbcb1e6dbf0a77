"""Four steps of training against the authors' code."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from hashed_weights import CONFIGS, GOLDENS, draw, hashed_unet
from safetensors.torch import load_file
from tiny_training import UNET, VAE

from disbench.models._training import recipes
from disbench.models._training.context import TrainingContext
from disbench.models._training.schedule import Schedule
from disbench.models.diffdis import memory, train
from disbench.models.diffdis.checkpoint import Checkpoint
from disbench.models.diffdis.losses import Latents
from disbench.models.diffdis.settings import Recipe, Stage
from disbench.models.diffdis.unet import DiffDISUNet
from disbench.registry.loading import get_card

RECIPES = Path(memory.__file__).parent / "recipes"

torch.set_num_threads(1)


def test_four_steps_of_the_papers_recipe_equal_the_authors(tmp_path):
    """From the latents on, which the authors' trainer made of its pictures."""
    golden = load_file(GOLDENS / "train.safetensors")
    expected = json.loads(gzip.decompress((GOLDENS / "train.json.gz").read_bytes()))
    batch = Latents(
        mask=golden["mask_latents"],
        edge=golden["edge_latents"],
        noise=golden["noise"],
        conditions=tuple(golden[key] for key in ("rgb_latents", "r2", "r4", "r8")),
    )
    unet = hashed_unet("B").requires_grad_(True)
    steps = []

    def compare(done, *_):
        steps.append(done)
        if done > 1:
            return
        parameters = dict(unet.named_parameters())
        assert parameters.keys() == expected["norms"].keys()
        for name, norm in expected["norms"].items():
            assert parameters[name].grad.norm().item() == pytest.approx(norm, rel=1e-3, abs=1e-5), name
        for name in (key for key in golden if key.startswith("grad.")):
            torch.testing.assert_close(parameters[name.removeprefix("grad.")].grad, golden[name], rtol=1e-3, atol=1e-3)
        after = [key for key in golden if key.startswith("after.")]
        assert len(after) == 9
        for name in after:
            torch.testing.assert_close(
                unet.state_dict()[name.removeprefix("after.")], golden[name], rtol=1e-5, atol=1e-6
            )

    paper = recipes.read_recipe(RECIPES / "paper.toml", Recipe)
    schedule = replace(paper.schedule, steps=len(expected["losses"]), log_every=1)
    recipe = replace(paper, stages=(Stage(64, schedule.steps, 4),), schedule=schedule)
    start = Checkpoint(unet, AutoencoderKL(**VAE), golden["text"], "epsilon")
    context = TrainingContext(out=tmp_path, progress=compare)
    train.train_unet(recipe, start, [], (), context, encode=lambda *_: batch)
    lines = [json.loads(line) for line in (tmp_path / "unet.jsonl").open()]
    assert steps == [1, 2, 3, 4] and len(lines) == 4
    for line, losses in zip(lines, expected["losses"], strict=True):
        assert (line["mask"], line["edge"]) == pytest.approx(losses, rel=1e-5)


def test_memory_is_what_autograd_keeps_on_the_cpu():
    """The same forward pass for real, with fused attention, whose weights are not kept."""
    unet = hashed_unet("A").train().requires_grad_(True)
    parameters = {parameter.untyped_storage().data_ptr() for parameter in unet.parameters()}
    saved = {}

    def save(x):
        if x.untyped_storage().data_ptr() not in parameters:
            saved[x.untyped_storage().data_ptr()] = x  # held, so that no later tensor gets its place
        return x

    scales = tuple(draw(f"scale{k}", 2, 4, 32 >> k, 32 >> k) for k in range(4))
    with torch.autograd.graph.saved_tensors_hooks(save, lambda x: x):
        output = unet(draw("noisy", 4, 4, 32, 32), 999, scales, draw("text", 1, 2, 32))
    real = sum(x.untyped_storage().nbytes() for x in saved.values())
    assert output.requires_grad
    estimate = memory.estimate_memory(unet, AutoencoderKL(**VAE), Schedule(1, 1.0), tokens=2, latent=32, images=2)
    assert estimate.activations == pytest.approx(real, rel=0.1)
    assert estimate.weights == 20 * sum(parameter.numel() for parameter in unet.parameters())


def test_memory_follows_what_the_recipe_keeps():
    with torch.device("meta"):
        unet, vae = DiffDISUNet(**UNET), AutoencoderKL(**VAE)
    count = sum(parameter.numel() for parameter in unet.parameters())
    plain = Schedule(1, 1.0)
    for changes, each in [({}, 20), ({"ema": 0}, 16), ({"optimizer": "adamw8bit"}, 14)]:
        assert memory.estimate_memory(unet, vae, replace(plain, **changes), 2, 8, 2).weights == each * count
    half = memory.estimate_memory(unet, vae, replace(plain, precision="bf16"), 2, 8, 2)
    estimate = memory.estimate_memory(unet.requires_grad_(False), vae, plain, 2, 8, 2)
    assert estimate.weights == 8 * count
    weights = sum(parameter.numel() for parameter in vae.parameters())
    assert estimate.vae == half.vae == 4 * (weights + 3 * 2 * 4 * 16 * 16)  # three tensors of two images, four channels


@pytest.mark.ci
@pytest.mark.slow
def test_checkpointing_takes_less_memory_and_more_images_more():
    with torch.device("meta"):
        unet = DiffDISUNet.from_config(CONFIGS["FULL"])
        widths = [128, 256, 512, 512]  # Stable Diffusion's
        blocks = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
        vae = AutoencoderKL(**blocks, block_out_channels=widths, layers_per_block=2)
    assert get_card("diffdis").parameters == sum(p.numel() for part in (unet, vae) for p in part.parameters())
    schedule = recipes.read_recipe(RECIPES / "paper.toml", Recipe).schedule
    single, double = (memory.estimate_memory(unet, vae, schedule, 2, 128, images) for images in (1, 2))
    assert double.activations == pytest.approx(2 * single.activations, rel=0.01)
    unet.enable_gradient_checkpointing()
    assert memory.estimate_memory(unet, vae, schedule, 2, 128, 1).activations < single.activations / 4
    assert "14.6 for weights" in str(single)  # 912.9 million of four values each: the recipe keeps no moving average
    assert "about 48.2 GB" in str(double) and "about 48 GB" in (RECIPES / "paper.toml").read_text()
