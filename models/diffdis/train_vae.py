"""Train the small VAE that DiffDIS-Mini works in: crops of images, of masks and of edge maps, put in one batch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from disbench.data import Sample
from disbench.models.diffdis import data
from disbench.models.diffdis.loop import Schedule, fit


@dataclass(frozen=True)
class VAERecipe:
    vae: dict[str, Any]  # the config of diffusers.AutoencoderKL
    schedule: Schedule
    seed: int = 0
    size: int = 320  # of the pictures that crops are cut from
    crop: int = 64
    images: int = 10  # of each batch; then masks, then edge maps
    masks: int = 4
    edges: int = 2
    edge_width: int = 3
    kl: float = 1e-5
    augment: data.Augment = field(default_factory=lambda: data.Augment(crop=(0.2, 0.5)))


def train_vae(recipe: VAERecipe, samples: Sequence[Sample], out: Path, progress=None) -> AutoencoderKL:
    """A VAE whose latents of masks and edges have unit deviation; its checkpoint and log go to `out`."""
    torch.manual_seed(recipe.seed)
    vae = AutoencoderKL(**recipe.vae)
    pictures = data.load(samples, recipe.size)

    def make(step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([recipe.seed, 1, step])
        which = data.rows(len(pictures.images), recipe.images + recipe.masks + recipe.edges, step, recipe.seed)
        images, masks = data.batch(pictures, which, recipe.crop, recipe.augment, rng)
        a, b = recipe.images, recipe.images + recipe.masks
        outlines = data.edges(masks[b:], recipe.edge_width)
        crops = torch.cat([data.to_input(x) for x in (images[:a], masks[a:b], outlines)])
        return crops, torch.Generator().manual_seed(int(rng.integers(2**63)))

    def losses(model: AutoencoderKL, batch: tuple[Tensor, torch.Generator]) -> dict[str, Tensor]:
        crops, generator = batch
        posterior = model.encode(crops).latent_dist
        again = model.decode(posterior.sample(generator)).sample.float()
        return {
            "l1": functional.l1_loss(again, crops),
            "mse": functional.mse_loss(again, crops),
            "kl": recipe.kl * posterior.kl().mean(),
        }

    trained = fit(vae, recipe.schedule, make, losses, asdict(recipe), out, None, progress, name="vae")
    trained.register_to_config(scaling_factor=1 / _deviation(trained, pictures, recipe))
    return trained


@torch.inference_mode()
def _deviation(vae: AutoencoderKL, pictures: data.Pictures, recipe: VAERecipe) -> float:
    """Standard deviation of the latents of masks and edge maps, which the U-Net is to predict."""
    masks = torch.from_numpy(pictures.truths[:64, None]).float() / 255
    both = data.to_input(torch.cat([masks, data.edges(masks, recipe.edge_width)]))
    return torch.cat([vae.encode(x).latent_dist.mean for x in both.split(8)]).std().item()
