"""One step's batch: pictures, changed and mixed, as the latents that the loss takes.

A pure function of recipe and step, so that a resumed training sees what an uninterrupted one does, and each of several
processes can make its part of the same batch.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from disbench.data.dataset import Sample
from disbench.models._training import data
from disbench.models._training.data import EVERY
from disbench.models._training.loop import autocast
from disbench.models.diffdis import authors, conditioning, noise, pipeline
from disbench.models.diffdis.settings import Recipe, Stage

Source = data.Pictures | data.Files | Sequence[Sample]


def make(
    what: Recipe, stage: Stage, vae: AutoencoderKL, source: Source, step: int, part: slice = EVERY
) -> dict[str, Any]:
    """What `losses.one_step`, or `several_steps`, takes beside the network; of a `part` of the images, an even number.

    `source`: samples where the pictures are to be the authors', else pictures.
    """
    return fitted(latents(what, stage, vae, source, step, part), what, stage, step, part)


@torch.no_grad()
def latents(
    what: Recipe, stage: Stage, vae: AutoencoderKL, source: Source, step: int, part: slice = EVERY
) -> dict[str, Any]:
    """The share of `make` that neither the network's parts nor its steps of denoising change."""
    rng = np.random.default_rng([what.seed, 1, step])
    which = data.rows(len(source), stage.batch, step, what.seed)
    images, masks, outlines = (data.to_input(x.to(vae.device)) for x in _pixels(what, stage, source, which, rng, part))
    with autocast(vae.device, what.schedule.precision):
        mask, edge = (conditioning.encode(vae, x).float() for x in (masks, outlines))
        conditions = conditioning.conditions(vae, images)
    drawn = _noise(what, stage.batch, mask.shape[1:], rng, part).to(vae.device)
    return {"mask": mask, "edge": edge, "noise": drawn, "conditions": conditions, "leak": stage.leak}


def fitted(batch: dict[str, Any], what: Recipe, stage: Stage, step: int, part: slice = EVERY) -> dict[str, Any]:
    """The latents of a step, as this recipe's network and its steps of denoising take them."""
    rng = np.random.default_rng([what.seed, 2, step])
    if not what.parts.edge:
        batch = batch | {"edge": None, "noise": batch["noise"].chunk(2)[0]}
    if what.rollout > 1:
        return batch | {"steps": what.rollout, "seeds": rng.integers(2**63, size=stage.batch)[part].tolist()}
    if what.timesteps != (pipeline.LAST,):
        t = torch.from_numpy(rng.choice(what.timesteps or pipeline.STEPS, stage.batch)[part])
        return batch | {"t": t.repeat(1 + what.parts.edge).to(batch["mask"].device)}
    return batch


def _pixels(what: Recipe, stage: Stage, source: Source, which: list[int], rng, part: slice) -> tuple[Tensor, ...]:
    """Images, masks and edge maps in [0, 1]."""
    if what.augment == "authors":
        samples = [source[i] for i in which]
        images, masks, edges = authors.batch(samples, stage.size, rng, what.cutmix, part, what.min_max)
        return images, masks, edges if what.native_edges else data.edges(masks, what.edge_width)
    images, masks = data.batch(source, which, stage.size, replace(what.augment, crop=stage.crop), rng, part)
    share = what.augment.cutmix if what.cutmix is True else float(what.cutmix)
    boxes = data.boxes(len(which), share, (stage.size, stage.size), rng)
    images, masks = data.paste(boxes[part], images, masks)
    return images, masks, data.edges(masks, what.edge_width)


def _noise(what: Recipe, images: int, shape: Sequence[int], rng, part: slice) -> Tensor:
    """(2b, *shape) for b images of the part: for the masks, then for the edge maps."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    kinds = 1 if what.shared_noise else 2
    drawn = noise.KINDS[what.noise]((kinds * images, *shape), generator, rng)
    return torch.cat([kind[part] for kind in drawn.split(images)]).repeat(2 // kinds, 1, 1, 1)
