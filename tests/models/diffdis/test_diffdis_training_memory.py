"""Which settings let a recipe train in a given memory, by the sizes of tensors."""

import json
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from hashed_weights import hashed_base
from tiny_training import UNET, VAE

from disbench.cli.main import main
from disbench.errors import InputError
from disbench.models._training import recipes
from disbench.models._training.processes import Processes
from disbench.models._training.schedule import Schedule
from disbench.models.diffdis import memory
from disbench.models.diffdis.memory import Load
from disbench.models.diffdis.settings import Recipe, Stage
from disbench.models.diffdis.train import RECIPES
from disbench.models.diffdis.unet import DiffDISUNet

torch.set_num_threads(1)
LOAD = Load(tokens=2, latent=8, images=2)


def call(*arguments):
    return CliRunner().invoke(main, ["diffdis", "training-memory", *arguments])


@pytest.fixture
def networks():
    with torch.device("meta"):
        return DiffDISUNet(**UNET), AutoencoderKL(**VAE)


def test_processes_split_weights_gradients_and_moments(networks):
    unet, vae = networks
    count = sum(p.numel() for p in unet.parameters())
    largest = max(
        sum(p.numel() for p in unit.parameters()) for unit in [*unet.down_blocks, unet.mid_block, *unet.up_blocks]
    )
    plain, split = (memory.make_estimate(unet, vae, Schedule(1, 1.0), LOAD, 1000, shards) for shards in (1, 4))
    assert (plain.parameters, plain.gradients, plain.average) == (4 * count,) * 3 and plain.moments == 8 * count
    assert split.parameters == count + 12 * largest
    assert (split.gradients, split.moments, split.average) == (count, 2 * count, count)
    assert (split.activations, split.vae) == (plain.activations, plain.vae) == (1000, plain.vae)
    assert plain.total == 20 * count + 1000 + plain.vae


def test_checkpointing_keeps_less_and_computes_one_layer_again(networks):
    """The largest layer, by what it keeps when it runs for real."""
    unet, _ = networks
    plain, checkpointed = (memory.count_activations(unet, LOAD, checkpointing=value) for value in (False, True))
    kept = memory._run_on_meta(unet, LOAD, checkpointing=True)[0]
    assert kept < checkpointed < plain
    real, sizes = DiffDISUNet(**UNET), []

    def measure(layer, arguments, output):
        saved = {}

        def save(x):
            saved[x.untyped_storage().data_ptr()] = x
            return x

        inputs = [x.detach().requires_grad_() for x in arguments]
        parameters = {p.untyped_storage().data_ptr() for p in layer.parameters()}
        with torch.autograd.graph.saved_tensors_hooks(save, lambda x: x):
            type(layer).forward(layer, *inputs)
        own = [x for pointer, x in saved.items() if pointer not in parameters]
        sizes.append(sum(x.untyped_storage().nbytes() for x in own))

    for layer in real.modules():
        if isinstance(layer, ResnetBlock2D):
            layer.register_forward_hook(measure)
    scales = tuple(torch.randn(2, 4, 8 >> k, 8 >> k) for k in range(4))
    real(torch.randn(4, 4, 8, 8), 999, scales, torch.zeros(1, 2, 8))
    # The inputs of a layer may be kept by the one before.
    assert checkpointed - kept == pytest.approx(max(sizes), rel=0.25)


def test_the_heaviest_stage_is_shared_among_the_processes():
    recipe = recipes.read_recipe(RECIPES / "mini.toml", Recipe)
    assert memory.heaviest_load(recipe, 4, 2, Processes(0, 1)) == Load(tokens=2, latent=112, images=8)
    assert memory.heaviest_load(recipe, 4, 2, Processes(1, 2)) == Load(tokens=2, latent=112, images=4)


def test_the_command_names_the_first_setting_that_fits(monkeypatch):
    monkeypatch.setattr(memory, "count_activations", lambda *_, checkpointing: 10**8 if checkpointing else 10**9)
    ran = call("mini", "--processes", "2", "--json")
    rows = json.loads(ran.stdout)["settings"]
    assert [row["options"] for row in rows] == [  # the recipe computes in bf16 already
        "",
        "--fsdp",
        "--set checkpointing=true",
        "--fsdp --set checkpointing=true",
        "--set checkpointing=true --set schedule.optimizer=adamw8bit",
    ]
    totals = [row["total"] for row in rows]
    assert totals[0] > totals[2] > totals[4] and all(row["fits"] for row in rows)
    assert rows[1]["moments"] == rows[0]["moments"] // 2
    for row in rows:
        parts = ("parameters", "gradients", "moments", "average", "activations", "vae")
        assert row["total"] == sum(row[name] for name in parts)

    between = (totals[0] * 1.1 + 1e9 - 1) / 2**30  # a byte less than the recipe needs
    text = call("mini", "--processes", "2", "--memory", f"{between:.9f}").stdout
    assert text.splitlines()[-1].startswith(f"{between:g} GiB: --fsdp (")
    assert call("mini", "--memory", "0.1").stdout.splitlines()[-1].startswith("0.1 GiB: none of these; take smaller")


def test_a_base_gives_its_configurations_only(tmp_path):
    base = hashed_base(tmp_path / "base")
    for path in base.rglob("*.safetensors"):
        path.unlink()
    ran = call("recommended", "--set", f"base={base}", "--set", "stages=[{size=64,steps=135000,batch=2}]", "--json")
    assert ran.exit_code == 0, ran.stderr
    assert [row["options"] for row in json.loads(ran.stdout)["settings"]][:2] == ["", "--set checkpointing=true"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "no such file, nor a recipe"),
        (["mini", "--set", "unknown=1"], "unknown key 'unknown'"),
        (["mini", "--processes", "3"], "a batch of 8 in 3 processes: not an even number of images each"),
    ],
)
def test_mistakes_are_one_line(arguments, message):
    refused = call(*arguments)
    assert refused.exit_code == 2 and message in refused.stderr and refused.stderr.count("\n") == 1


def test_compiled_stages_have_few_shapes():
    recipe = recipes.read_recipe(RECIPES / "mini.toml", Recipe)
    replace(recipe, schedule=replace(recipe.schedule, compile=True))  # of five sizes
    stages = [Stage(128 + 16 * i, recipe.schedule.total if i == 8 else 1, 2) for i in range(9)]
    steps = sum(stage.steps for stage in stages)
    schedule = replace(recipe.schedule, steps=steps, more=(), compile=True)
    with pytest.raises(InputError, match=r"the stages have 9 sizes and batches, and torch\.compile takes 8"):
        replace(recipe, stages=tuple(stages), schedule=schedule)
