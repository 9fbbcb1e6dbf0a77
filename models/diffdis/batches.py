"""Batches of DiffDIS: pictures, augmented and mixed, as the latents that the losses take.

A batch is a pure function of recipe and step, so that a resumed training sees what an uninterrupted one does, and each
of several processes can make its part of the same batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from disbench.data.dataset import Sample
from disbench.models._training import data
from disbench.models._training.changes import Change, draw_change
from disbench.models._training.data import EVERY
from disbench.models._training.optimization import autocast
from disbench.models.diffdis import authors, conditioning, noise, pipeline
from disbench.models.diffdis.losses import Latents
from disbench.models.diffdis.settings import Recipe, Stage

Source = data.Pictures | data.Files | Sequence[Sample]
"""Training pictures; samples if the recipe augments as the authors do, since they start from the original files."""


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """The part of a batch to make.

    Attributes:
        step: number of the batch, from 0.
        stage: stage of the training that the step belongs to.
        part: images of the batch to make, an even number of them. They are the same as in the whole batch.
    """

    step: int
    stage: Stage
    part: slice = field(default_factory=lambda: EVERY)  # a slice is not hashable


class Drawn(NamedTuple):
    """The pictures of a batch, augmented and mixed, on the CPU.

    Attributes:
        images: (b, 3, s, s) in [0, 1].
        masks: (b, 1, s, s) in [0, 1].
        outlines: edge maps (b, 1, s, s) in [0, 1].
        rng: generator of the noise, which is drawn in the training process: its rounding depends on the threads.
    """

    images: Tensor
    masks: Tensor
    outlines: Tensor
    rng: np.random.Generator


Encoder = Callable[[Recipe, BatchPlan, AutoencoderKL, Source], Latents]
"""The signature of `encode_batch`."""


def make_batch(recipe: Recipe, plan: BatchPlan, vae: AutoencoderKL, source: Source) -> Latents:
    """Make a batch: draw, augment and encode its pictures, and draw its noise."""
    return adapt_latents(encode_batch(recipe, plan, vae, source), recipe, plan)


def encode_batch(recipe: Recipe, plan: BatchPlan, vae: AutoencoderKL, source: Source) -> Latents:
    """Make what does not depend on the network's parts nor on its denoising steps; most ablations share it."""
    return encode_drawn(recipe, plan, vae, draw_batch(recipe, plan, source))


def draw_batch(recipe: Recipe, plan: BatchPlan, source: Source) -> Drawn:
    """Draw, augment and mix the pictures of a batch."""
    rng = np.random.default_rng([recipe.seed, 1, plan.step])
    indices = data.rows_of_step(len(source), plan.stage.batch, plan.step, recipe.seed)
    return Drawn(*_make_pixels(recipe, plan, source, indices, rng), rng)


def encode_drawn(recipe: Recipe, plan: BatchPlan, vae: AutoencoderKL, drawn: Drawn) -> Latents:
    """Encode what `draw_batch` drew, on the device of the VAE."""
    pixels = drawn.images, drawn.masks, drawn.outlines
    return make_latents(recipe, plan, encode_pixels(recipe, vae, pixels), drawn.rng)


@torch.no_grad()
def encode_pixels(recipe: Recipe, vae: AutoencoderKL, pixels: tuple[Tensor, Tensor, Tensor]) -> list[Tensor]:
    """Encode images (b, 3, s, s), masks and edge maps (b, 1, s, s), in [0, 1], on the device of the VAE.

    Returns the latents of the masks, of the edge maps and of the images at their size, 1/2, 1/4 and 1/8.
    """
    images, masks, outlines = (data.to_input(x.to(vae.device, non_blocking=True)) for x in pixels)
    with autocast(vae.device, recipe.schedule.precision):
        truths = [conditioning.encode(vae, x).float() for x in (masks, outlines)]
        return [*truths, *conditioning.conditions(vae, images)]


def make_latents(
    recipe: Recipe, plan: BatchPlan, encoded: Sequence[Tensor], rng: np.random.Generator
) -> Latents:
    """Add noise and settings to what `encode_pixels` encoded. `rng`: generator that has drawn the pictures."""
    mask, edge, *conditions = encoded
    drawn_noise = _draw_noise(recipe, plan, mask.shape[1:], rng).to(mask.device)
    return Latents(mask=mask, edge=edge, noise=drawn_noise, conditions=tuple(conditions), leak=plan.stage.leak)


def adapt_latents(latents: Latents, recipe: Recipe, plan: BatchPlan) -> Latents:
    """Fit latents to the network of a recipe and draw the timesteps, or the seeds of its denoising steps."""
    rng = np.random.default_rng([recipe.seed, 2, plan.step])
    if not recipe.parts.edge:
        latents = replace(latents, edge=None, noise=latents.noise.chunk(2)[0])
    if recipe.rollout > 1:
        return replace(latents, seeds=rng.integers(2**63, size=plan.stage.batch)[plan.part].tolist())
    if recipe.timesteps != (pipeline.LAST,):
        t = torch.from_numpy(rng.choice(recipe.timesteps or pipeline.STEPS, plan.stage.batch)[plan.part])
        return replace(latents, timestep=t.repeat(1 + recipe.parts.edge).to(latents.mask.device))
    return latents


def _make_pixels(
    recipe: Recipe, plan: BatchPlan, source: Source, indices: list[int], rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Make images (b, 3, s, s), masks and edge maps (b, 1, s, s), in [0, 1]."""
    size = plan.stage.size
    if recipe.augment == "authors":
        samples = [source[i] for i in indices]
        images, masks, edges = authors.make_batch(
            samples, size, rng, recipe.cutmix, plan.part, min_max=recipe.min_max
        )
        return images, masks, edges if recipe.native_edges else data.edges(masks, recipe.edge_width)
    changes, boxes = draw_changes(recipe, plan.stage, rng)
    images, masks = data.change_pictures(source, indices[plan.part], size, changes[plan.part])
    images, masks = data.paste_boxes(boxes[plan.part], images, masks)
    return images, masks, data.edges(masks, recipe.edge_width)


def draw_changes(
    recipe: Recipe, stage: Stage, rng: np.random.Generator
) -> tuple[list[Change], list[data.Box | None]]:
    """Draw how each picture of a batch is changed, and its box of CutMix."""
    augment = replace(recipe.augment, crop=stage.crop)
    changes = [draw_change(augment, rng) for _ in range(stage.batch)]
    return changes, data.draw_boxes(stage.batch, cutmix_probability(recipe), (stage.size, stage.size), rng)


def cutmix_probability(recipe: Recipe) -> float:
    """Return the probability of CutMix for a recipe that does not augment as the authors do."""
    return recipe.augment.cutmix if recipe.cutmix is True else float(recipe.cutmix)


def _draw_noise(recipe: Recipe, plan: BatchPlan, shape: Sequence[int], rng: np.random.Generator) -> Tensor:
    """Draw (2b, *shape) for the b images of the part: for the masks, then for the edge maps."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    kinds = 1 if recipe.shared_noise else 2
    drawn = noise.KINDS[recipe.noise]((kinds * plan.stage.batch, *shape), generator, rng)
    return torch.cat([kind[plan.part] for kind in drawn.split(plan.stage.batch)]).repeat(2 // kinds, 1, 1, 1)
