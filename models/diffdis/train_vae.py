"""Train the small VAE that DiffDIS-Mini works in: crops of images, of masks and of edge maps, put in one batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from disbench.data.dataset import Sample
from disbench.models._training import data
from disbench.models._training.loop import Schedule, fit
from disbench.models._training.processes import ALONE, Processes
from disbench.models._training.recipe import Count, Seed, Side, Weight
from disbench.models.diffdis import conditioning

Batch = tuple[Tensor, torch.Generator]


@dataclass(frozen=True)
class VAERecipe:
    vae: dict[str, Any]  # the config of diffusers.AutoencoderKL
    schedule: Schedule
    decoder: Schedule  # afterwards, for the decoder alone: only masks and edge maps are ever decoded
    seed: Seed = 0
    size: Side = 320  # of the pictures that crops are cut from
    crop: Side = 64
    images: Count = 10  # of each batch; then masks, then edge maps
    masks: Count = 4
    edges: Count = 2
    edge_width: data.Width = 3
    kl: Weight = 1e-6
    colour: Weight = 20.0  # weight of the squared error of colour without brightness; at 2 a small VAE saw grey alone
    latent_noise: Weight = 0.5  # most that latents are off by, in deviations, when the decoder is trained alone
    augment: data.Augment = field(default_factory=lambda: data.Augment(crop=(0.2, 0.5)))

    def __post_init__(self):
        data.check_width(self.edge_width)


def train_vae(
    recipe: VAERecipe,
    samples: Sequence[Sample],
    out: Path,
    progress: Callable[[int, int, str], None] | None = None,
    processes: Processes = ALONE,
    device: str = "cpu",
) -> AutoencoderKL:
    """A VAE whose latents of masks and edges have unit deviation; its checkpoints and logs go to `out`.

    So small that each of several processes makes the whole batch: they train the same VAE.
    """
    torch.manual_seed(recipe.seed)
    vae = AutoencoderKL(**recipe.vae).to(device)
    pictures = data.load(samples, recipe.size)
    run = {"identity": recipe, "out": out, "progress": progress, "processes": processes, "pictures": pictures.digest}
    make = partial(_crops, recipe, pictures, (recipe.images, recipe.masks, recipe.edges))
    vae = fit(vae, recipe.schedule, make, partial(_all_losses, recipe), name="vae", **run)
    vae.register_to_config(scaling_factor=1 / _deviation(recipe, vae, pictures))
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
    make = partial(_crops, recipe, pictures, (0, recipe.images + recipe.masks, recipe.edges))
    return fit(vae, recipe.decoder, make, partial(_decoder_losses, recipe), name="decoder", **run)


def _crops(recipe: VAERecipe, pictures: data.Pictures, counts: tuple[int, int, int], step: int) -> Batch:
    """So many crops of images, masks and edge maps, (n, 3, crop, crop) in [-1, 1], and a generator for their noise."""
    rng = np.random.default_rng([recipe.seed, 1, step])
    which = data.rows(len(pictures.images), sum(counts), step, recipe.seed)
    images, masks = data.batch(pictures, which, recipe.crop, recipe.augment, rng)
    kinds = images, masks, data.edges(masks, recipe.edge_width)
    ends = np.cumsum(counts)
    crops = [data.to_input(kind[end - count : end]) for kind, end, count in zip(kinds, ends, counts, strict=True)]
    return torch.cat(crops), torch.Generator().manual_seed(int(rng.integers(2**63)))


def _all_losses(recipe: VAERecipe, vae: AutoencoderKL, batch: Batch) -> dict[str, Tensor]:
    crops, generator = batch[0].to(vae.device), batch[1]
    posterior = vae.encode(crops).latent_dist
    again = vae.decode(posterior.sample(generator)).sample.float()
    error = again - crops
    return _errors(again, crops) | {
        "colour": recipe.colour * (error - error.mean(dim=1, keepdim=True)).square().mean(),
        "kl": recipe.kl * posterior.kl().mean(),
    }


def _decoder_losses(recipe: VAERecipe, vae: AutoencoderKL, batch: Batch) -> dict[str, Tensor]:
    """The U-Net's latents are not exact: learn to decode latents that are off."""
    crops, generator = batch[0].to(vae.device), batch[1]
    latent = conditioning.encode(vae, crops)
    off = torch.randn(latent.shape, generator=generator) * torch.rand(len(latent), 1, 1, 1, generator=generator)
    latent = latent + recipe.latent_noise * off.to(latent.device)
    return _errors(vae.decode(latent / vae.config.scaling_factor).sample.float(), crops)


def _errors(got: Tensor, wanted: Tensor) -> dict[str, Tensor]:
    return {"l1": functional.l1_loss(got, wanted), "mse": functional.mse_loss(got, wanted)}


@torch.inference_mode()
def _deviation(recipe: VAERecipe, vae: AutoencoderKL, pictures: data.Pictures) -> float:
    """Standard deviation of the latents of masks and edge maps, which the U-Net is to predict."""
    masks = torch.from_numpy(pictures.truths[:64, None]).float() / 255
    both = data.to_input(torch.cat([masks, data.edges(masks, recipe.edge_width)]))
    return torch.cat([vae.encode(x.to(vae.device)).latent_dist.mean for x in both.split(8)]).std().item()
