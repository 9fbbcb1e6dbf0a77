"""Estimate which settings let a recipe train in a given memory: `disbench diffdis training-memory`."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from disbench.errors import InputError
from disbench.models._training import recipes
from disbench.models._training.processes import Processes
from disbench.models.diffdis import check, conditioning, files, lora, memory, weights
from disbench.models.diffdis.settings import Recipe
from disbench.models.diffdis.train import check_processes, find_recipe
from disbench.models.diffdis.train_vae import VAERecipe
from disbench.models.diffdis.unet import DiffDISUNet
from disbench.system.documents import read_json

# Changes of a recipe, those first that change its result least. Each is tried with and without --fsdp.
CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"checkpointing": True},
    {"precision": "bf16"},
    {"checkpointing": True, "precision": "bf16"},
    {"checkpointing": True, "precision": "bf16", "optimizer": "adamw8bit"},
)
# For the allocator, the kernels and CUDA itself, which the estimate leaves out. A guess: nothing was measured.
SPARE_SHARE, SPARE_BYTES = 0.1, 1e9


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A change of a recipe, and the memory of a process with it.

    Attributes:
        options: what the user adds to the command; "" for nothing.
        estimate: the memory.
    """

    options: str
    estimate: memory.Estimate

    def fits(self, available: float) -> bool:
        """Return whether a GPU of so many bytes is enough, with some to spare."""
        return self.estimate.total * (1 + SPARE_SHARE) + SPARE_BYTES <= available


def compare_settings(path: Path, changes: Iterable[tuple[str, str]], count: int) -> list[Setting]:
    """Estimate the memory of a recipe as it is and with changes that need less.

    No weights are read; of a base, only its configurations.

    Args:
        path: TOML file, or the name of a shipped recipe.
        changes: other values for some keys, as `recipes.apply_changes` takes them.
        count: number of processes, which share each batch.

    Raises:
        InputError: if the recipe or its base is at fault, or the processes cannot share a batch.
    """
    path = find_recipe(path)
    recipe = recipes.convert_table(path, recipes.apply_changes(recipes.read_table(path), changes), Recipe)
    unet, vae, tokens = _build_networks(recipe, path)
    check.check_sizes(path, recipe, vae)
    load = memory.heaviest_load(recipe, conditioning.factor(vae), tokens, Processes(0, count))
    activations = {
        checkpointing: memory.count_activations(unet, load, checkpointing=checkpointing)
        for checkpointing in (False, True)
    }
    settings: dict[Any, Setting] = {}
    for change in CHANGES:
        schedule = replace(recipe.schedule, **{key: change[key] for key in change if key != "checkpointing"})
        changed = replace(recipe, schedule=schedule, checkpointing=recipe.checkpointing or "checkpointing" in change)
        for sharded in (False, True) if count > 1 else (False,):
            try:
                check_processes(changed, "cpu", Processes(0, count, sharded))
            except InputError:  # such as --fsdp with moments in 8 bits
                continue
            shards = count if sharded else 1
            estimate = memory.make_estimate(unet, vae, schedule, load, activations[changed.checkpointing], shards)
            setting = Setting(options=_name_options(recipe, change, sharded), estimate=estimate)
            settings.setdefault((schedule, changed.checkpointing, sharded), setting)
    return list(settings.values())


def _name_options(recipe: Recipe, change: dict[str, Any], sharded: bool) -> str:
    """Write a change as options of `disbench train`."""
    options = ["--fsdp"] if sharded else []
    for key, value in change.items():
        owner, name = (recipe, key) if key == "checkpointing" else (recipe.schedule, f"schedule.{key}")
        if getattr(owner, key) != value:
            options.append(f"--set {name}={str(value).lower()}")
    return " ".join(options)


def _build_networks(recipe: Recipe, path: Path) -> tuple[DiffDISUNet, AutoencoderKL, int]:
    """Build U-Net and VAE of a recipe on the meta device; return also the length of the prompt."""
    if recipe.base:
        unet_config = files.load_part(UNet2DConditionModel.load_config, recipe.base, "unet")
        vae_config = files.load_part(AutoencoderKL.load_config, recipe.base, "vae")
        tokens = weights.TOKENS
    else:
        check.check_unet(path, recipe)
        vae_path = path.parent / recipe.vae
        if vae_path.is_dir():
            fault = "not the configuration of a DiffDIS folder"
            vae_config = read_json(vae_path / "config.json", weights.Config, fault=fault).vae
        else:
            vae_config = recipes.read_recipe(vae_path, VAERecipe).vae
        unet_config, tokens = recipe.unet, recipe.text[0]
    with torch.device("meta"):
        unet = DiffDISUNet.from_config(unet_config, **asdict(recipe.parts))
        if recipe.lora:
            lora.add_adapters(unet, recipe.lora)
        return unet, AutoencoderKL.from_config(vae_config), tokens
