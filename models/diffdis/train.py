"""Train DiffDIS by Algorithm 1 of the paper: `disbench train RECIPE.toml --data DIR --out DIR`.

Trains on DIS-TR and validates on DIS-VD. Pictures may grow from stage to stage: small ones teach what an object is at a
fraction of the time.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from disbench.data import Sample, Where, find
from disbench.data.images import read_image, read_truth
from disbench.errors import InputError
from disbench.metrics import measure, score
from disbench.models.diffdis import conditioning, data, losses, pipeline, recipe, weights
from disbench.models.diffdis.loop import Schedule, fit
from disbench.models.diffdis.predictor import normalise, quantise, resize, stretch
from disbench.models.diffdis.train_vae import VAERecipe, train_vae
from disbench.models.diffdis.unet import LATENT_CHANNELS, DiffDISUNet


@dataclass(frozen=True)
class Stage:
    size: int  # pixels, square
    steps: int
    batch: int  # images, even: CutMix exchanges between neighbours
    crop: tuple[float, float] = (0.75, 1.0)  # side of what is cut from a picture, as a share of the picture's
    leak: bool = True  # the input's noise holds 7 % of the truth, as in Algorithm 1


@dataclass(frozen=True)
class Recipe:
    vae: str  # recipe of the VAE, beside this one
    unet: dict[str, Any]  # the config of diffusers.UNet2DConditionModel
    stages: tuple[Stage, ...]
    schedule: Schedule
    pictures: int  # side in pixels that pictures are kept at
    size: int  # side in pixels that the trained network works at
    prediction_type: str = "v_prediction"
    shared_noise: bool = True  # one noise for mask and edge, as in Algorithm 1
    text: tuple[int, int] = (2, 32)  # tokens and width of the prompt's embedding, all zeros
    edge_width: int = 3
    embedding_lr: float = 10.0  # times the rate, for what tells masks from edges: the authors' factor
    seed: int = 0
    augment: data.Augment = field(default_factory=data.Augment)

    def __post_init__(self):
        if any(stage.batch % 2 for stage in self.stages):
            raise InputError("stages: batch must be even, since CutMix exchanges between neighbours")
        if (total := sum(stage.steps for stage in self.stages)) != self.schedule.total:
            raise InputError(f"the stages have {total} steps, the schedule {self.schedule.total}; make them equal")


def main(path: Path, where: Where, out: Path, progress=None) -> None:
    """Train the recipe in `path`, its VAE first; weights in half precision, checkpoints and both logs go to `out`.

    `where` is what `disbench.data.find` takes; a training in `out` that was cut off is gone on with.
    """
    what = recipe.read(path, Recipe)
    vae_recipe = recipe.read(path.with_name(what.vae), VAERecipe)
    splits = find(where, "DIS-TR,DIS-VD", progress=progress).splits
    samples, held_out = next(iter(splits.values())), splits.get("DIS-VD", ())
    vae = train_vae(vae_recipe, samples, out, progress)
    unet = train(what, vae, samples, held_out, out, progress)
    text = torch.zeros(1, *what.text)
    weights.save(weights.Checkpoint(unet, vae, text, what.prediction_type, what.size), out)


def train(
    what: Recipe, vae: AutoencoderKL, samples: Sequence[Sample], held_out: Sequence[Sample], out: Path, progress=None
) -> DiffDISUNet:
    """A U-Net trained on `samples` in the latents of `vae`; its checkpoint and log go to `out`."""
    torch.manual_seed(what.seed)
    unet = DiffDISUNet(**what.unet)
    # At t = 999 the noisy latents are all but noise: begin without them, the image is fainter than the noise.
    torch.nn.init.zeros_(unet.conv_in.weight[:, LATENT_CHANNELS:])
    vae = vae.eval().requires_grad_(False)
    text = torch.zeros(*what.text)
    ends = list(accumulate(stage.steps for stage in what.stages))
    pictures = data.load(samples, what.pictures)

    def make(step: int) -> dict[str, Any]:
        stage = what.stages[bisect_right(ends, step)]
        return _batch(what, stage, vae, pictures, step)

    def loss(model: DiffDISUNet, batch: dict[str, Any]) -> dict[str, Tensor]:
        return losses.one_step(model, **batch, text=text, prediction_type=what.prediction_type)

    def validate(model: DiffDISUNet) -> dict[str, float]:
        return _validate(model, vae, text, held_out, what)

    return fit(
        unet,
        what.schedule,
        make,
        loss,
        asdict(what),
        out,
        validate if held_out else None,
        progress,
        name="unet",
        rate=lambda parameter: what.embedding_lr if parameter.startswith("class_embedding.") else 1.0,
    )


@torch.no_grad()
def _batch(what: Recipe, stage: Stage, vae: AutoencoderKL, pictures: data.Pictures, step: int) -> dict[str, Any]:
    """The latents of one step: what `losses.one_step` takes beside the network."""
    rng = np.random.default_rng([what.seed, 1, step])
    which = data.rows(len(pictures.images), stage.batch, step, what.seed)
    images, masks = data.batch(pictures, which, stage.size, replace(what.augment, crop=stage.crop), rng)
    images, masks = data.cutmix(what.augment.cutmix, rng, images, masks)
    outlines = data.edges(masks, what.edge_width)
    with torch.autocast("cpu", torch.bfloat16, enabled=what.schedule.bf16):
        mask, edge = (conditioning.encode(vae, data.to_input(x)).float() for x in (masks, outlines))
        conditions = conditioning.conditions(vae, data.to_input(images))
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    noise = torch.randn(1 if what.shared_noise else 2, *mask.shape, generator=generator)
    noise = noise.expand(2, *mask.shape).flatten(0, 1)
    return {"mask": mask, "edge": edge, "noise": noise, "conditions": conditions, "leak": stage.leak}


def _validate(unet: DiffDISUNet, vae: AutoencoderKL, text: Tensor, samples, what: Recipe) -> dict[str, float]:
    """F-max and MAE of one plain pass per image, at the images' own sizes."""
    measurements = []
    for seed, sample in enumerate(samples):
        image, truth = read_image(sample.image), read_truth(sample.truth)
        x = normalise(resize(image, (what.size, what.size)))[None]
        noise, _ = pipeline.seeded_noise(conditioning.encode(vae, x).shape[1:], [seed])
        mask, _ = pipeline.segment(unet, vae, text, x, noise, what.prediction_type)
        measurements.append(measure(resize(quantise(stretch(mask)[0].numpy()), truth.shape), truth))
    scores = score(measurements)
    return {"f_max": scores["f_max"], "mae": scores["mae"]}
