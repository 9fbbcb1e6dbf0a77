"""Train the small VAE of DiffDIS-Mini on crops of images, of masks and of edge maps, all in one batch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from disbench.data.dataset import Sample
from disbench.models._training import data
from disbench.models._training.checkpoints import RunState
from disbench.models._training.context import TrainingContext
from disbench.models._training.loop import Hooks, fit
from disbench.models._training.recipes import Count, Seed, Side, Weight
from disbench.models._training.schedule import Schedule
from disbench.models._training.task import Task
from disbench.models.diffdis import conditioning

Batch = tuple[Tensor, torch.Generator]
"""Crops (n, 3, crop, crop) in [-1, 1], and a generator for their noise."""


@dataclass(frozen=True)
class VAERecipe:
    """The training of a VAE: first all of it, then its decoder only."""

    vae: dict[str, Any]  # config of diffusers.AutoencoderKL
    schedule: Schedule
    decoder: Schedule  # of the decoder's training, on masks and edge maps: nothing else is ever decoded
    seed: Seed = 0
    size: Side = 320  # side of the pictures that crops are cut from, pixels
    crop: Side = 64  # side of the crops, pixels
    images: Count = 10  # crops of images in a batch
    masks: Count = 4  # crops of masks
    edges: Count = 2  # crops of edge maps
    edge_width: data.Width = 3
    kl: Weight = 1e-6  # weight of the KL divergence
    colour: Weight = 20.0  # weight of the squared error of colour without brightness; at 2 a small VAE saw only grey
    latent_noise: Weight = 0.5  # largest noise on latents in the decoder's training, in standard deviations
    augment: data.Augment = field(default_factory=lambda: data.Augment(crop=(0.2, 0.5)))

    def __post_init__(self) -> None:
        data.check_width(self.edge_width)


def train_vae(recipe: VAERecipe, samples: Sequence[Sample], context: TrainingContext) -> AutoencoderKL:
    """Train a VAE whose latents of masks and edge maps have unit deviation.

    It is so small that each of several processes makes the whole batch; all of them train the same VAE.

    Args:
        recipe: the recipe.
        samples: pictures to train on.
        context: where to train. Checkpoints and logs are written to `context.out`.

    Returns:
        The moving average of the VAE.
    """
    torch.manual_seed(recipe.seed)
    vae = AutoencoderKL(**recipe.vae).to(context.device)
    pictures = data.load_pictures(samples, recipe.size)
    vae = _fit(vae, recipe.schedule, _VAETask(recipe, pictures), "vae", context)
    vae.register_to_config(scaling_factor=1 / _latent_deviation(recipe, vae, pictures))
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
    return _fit(vae, recipe.decoder, _DecoderTask(recipe, pictures), "decoder", context)


@dataclass(frozen=True)
class _VAETask(Task):
    """The training of the whole VAE."""

    recipe: VAERecipe
    pictures: data.Pictures

    def batch(self, step: int) -> Batch:
        recipe = self.recipe
        return _cut_crops(recipe, self.pictures, (recipe.images, recipe.masks, recipe.edges), step)

    def losses(self, net: AutoencoderKL, batch: Batch) -> dict[str, Tensor]:
        return _all_losses(self.recipe, net, batch)


class _DecoderTask(_VAETask):
    """The training of the decoder only."""

    def batch(self, step: int) -> Batch:
        recipe = self.recipe
        return _cut_crops(recipe, self.pictures, (0, recipe.images + recipe.masks, recipe.edges), step)

    def losses(self, net: AutoencoderKL, batch: Batch) -> dict[str, Tensor]:
        return _decoder_losses(self.recipe, net, batch)


def _fit(vae: AutoencoderKL, schedule: Schedule, task: _VAETask, name: str, context: TrainingContext) -> AutoencoderKL:
    state = RunState(out=context.out, identity=task.recipe, name=name, pictures_digest=task.pictures.digest)
    return fit(vae, schedule, task, state, processes=context.processes, hooks=Hooks(progress=context.progress))


def _cut_crops(recipe: VAERecipe, pictures: data.Pictures, counts: tuple[int, int, int], step: int) -> Batch:
    """Cut the given numbers of crops of images, of masks and of edge maps."""
    rng = np.random.default_rng([recipe.seed, 1, step])
    indices = data.rows_of_step(len(pictures.images), sum(counts), step, recipe.seed)
    images, masks = data.make_batch(pictures, indices, recipe.crop, recipe.augment, rng)
    kinds = images, masks, data.edges(masks, recipe.edge_width)
    ends = np.cumsum(counts)
    crops = [data.to_input(kind[end - count : end]) for kind, end, count in zip(kinds, ends, counts, strict=True)]
    return torch.cat(crops), torch.Generator().manual_seed(int(rng.integers(2**63)))


def _all_losses(recipe: VAERecipe, vae: AutoencoderKL, batch: Batch) -> dict[str, Tensor]:
    crops, generator = batch[0].to(vae.device), batch[1]
    posterior = vae.encode(crops).latent_dist
    decoded = vae.decode(posterior.sample(generator)).sample.float()
    error = decoded - crops
    return _pixel_errors(decoded, crops) | {
        "colour": recipe.colour * (error - error.mean(dim=1, keepdim=True)).square().mean(),
        "kl": recipe.kl * posterior.kl().mean(),
    }


def _decoder_losses(recipe: VAERecipe, vae: AutoencoderKL, batch: Batch) -> dict[str, Tensor]:
    """Compute the losses of decoding noisy latents, since the U-Net's latents are not exact."""
    crops, generator = batch[0].to(vae.device), batch[1]
    latent = conditioning.encode(vae, crops)
    shift = torch.randn(latent.shape, generator=generator) * torch.rand(len(latent), 1, 1, 1, generator=generator)
    latent = latent + recipe.latent_noise * shift.to(latent.device)
    return _pixel_errors(vae.decode(latent / vae.config.scaling_factor).sample.float(), crops)


def _pixel_errors(decoded: Tensor, target: Tensor) -> dict[str, Tensor]:
    return {"l1": functional.l1_loss(decoded, target), "mse": functional.mse_loss(decoded, target)}


@torch.inference_mode()
def _latent_deviation(recipe: VAERecipe, vae: AutoencoderKL, pictures: data.Pictures) -> float:
    """Compute the standard deviation of the latents of masks and edge maps, which the U-Net is to predict."""
    masks = torch.from_numpy(pictures.truths[:64, None]).float() / 255
    both = data.to_input(torch.cat([masks, data.edges(masks, recipe.edge_width)]))
    return torch.cat([vae.encode(x.to(vae.device)).latent_dist.mean for x in both.split(8)]).std().item()
