"""Train DiffDIS by Algorithm 1 of the paper: `disbench train RECIPE.toml --data DIR --out DIR`.

Trains on DIS-TR and validates on DIS-VD. Pictures may grow from stage to stage: small ones teach what an object is at a
fraction of the time.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from disbench.data import Sample, Where, find
from disbench.errors import InputError
from disbench.metrics import measure, score
from disbench.models._parts import device as devices
from disbench.models.diffdis import authors, conditioning, data, losses, memory, noise, pipeline, recipe, weights
from disbench.models.diffdis.loop import Schedule, autocast, fit
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
    """A training. What it starts from is either `base`, or `vae` and `unet`."""

    stages: tuple[Stage, ...]
    schedule: Schedule
    base: str = ""  # Stable Diffusion 2.1 or SD-Turbo: a folder in diffusers' layout or a Hugging Face id
    vae: str = ""  # recipe of the VAE, beside this one
    unet: dict[str, Any] = field(default_factory=dict)  # the config of diffusers.UNet2DConditionModel
    pictures: int = 1280  # side in pixels that pictures are reduced to before they are augmented
    keep: bool = True  # all pictures in memory; else each is read when it is needed
    size: int = 1024  # side in pixels that the trained network works at
    validate_on: int = 0  # images of DIS-VD; 0: all
    prediction_type: pipeline.PredictionType = "v_prediction"  # a base has its own
    noise: Literal["white", "pyramid"] = "white"  # the authors train with a pyramid, and predict with white noise
    shared_noise: bool = True  # one noise for mask and edge, as in Algorithm 1
    text: tuple[int, int] = (2, 32)  # without a base: tokens and width of the prompt's embedding, all zeros
    edge_width: int = 3
    embedding_lr: float = 10.0  # times the rate, for what tells masks from edges: the authors' factor
    checkpointing: bool = False  # less memory for the U-Net, a third more time
    seed: int = 0
    augment: data.Augment | Literal["authors"] = field(default_factory=data.Augment)

    def __post_init__(self):
        if bool(self.base) == bool(self.vae and self.unet):
            raise InputError("either base, or vae and unet: one of them is where a training starts")
        if any(stage.batch % 2 for stage in self.stages):
            raise InputError("stages: batch must be even, since CutMix exchanges between neighbours")
        if (total := sum(stage.steps for stage in self.stages)) != self.schedule.total:
            raise InputError(f"the stages have {total} steps, the schedule {self.schedule.total}; make them equal")


def main(path: Path, where: Where, out: Path, device: str | None = None, progress=None, say=lambda line: None) -> None:
    """Train the recipe in `path`, its VAE first; weights in half precision, checkpoints and logs go to `out`.

    `where` is what `disbench.data.find` takes; a training in `out` that was cut off is gone on with. `say` is told how
    much memory the U-Net will take.
    """
    what = recipe.read(path, Recipe)
    device = devices.pick(device)
    vae_recipe = None if what.base else recipe.read(path.with_name(what.vae), VAERecipe)
    splits = find(where, "DIS-TR,DIS-VD", progress=progress).splits
    samples, held_out = next(iter(splits.values())), splits.get("DIS-VD", ())
    torch.manual_seed(what.seed)
    if vae_recipe is None:
        begin = weights.start(what.base)
    else:
        vae = train_vae(vae_recipe, samples, out, progress)
        begin = weights.Checkpoint(new_unet(what), vae, torch.zeros(1, *what.text), what.prediction_type)
    begin = replace(begin, size=what.size)
    if what.checkpointing:
        begin.unet.enable_gradient_checkpointing()
    say(f"memory: {_memory(what, begin)}")
    unet = train(what, begin, samples, held_out, out, device, progress)
    weights.save(replace(begin, unet=unet), out)


def new_unet(what: Recipe) -> DiffDISUNet:
    torch.manual_seed(what.seed)
    unet = DiffDISUNet(**what.unet)
    # At t = 999 the noisy latents are all but noise: begin without them, the image is fainter than the noise.
    torch.nn.init.zeros_(unet.conv_in.weight[:, LATENT_CHANNELS:])
    return unet


def train(
    what: Recipe,
    begin: weights.Checkpoint,
    samples: Sequence[Sample],
    held_out: Sequence[Sample],
    out: Path,
    device: str = "cpu",
    progress=None,
) -> DiffDISUNet:
    """The U-Net of `begin` trained on `samples`, in place, and its moving average; checkpoint and log go to `out`."""
    begin = replace(begin, vae=begin.vae.to(device).eval().requires_grad_(False), text=begin.text.to(device))
    unet = begin.unet.to(device).requires_grad_(True)
    ends = list(accumulate(stage.steps for stage in what.stages))
    pictures = samples if what.augment == "authors" else _pictures(what, samples)

    def make(step: int) -> dict[str, Any]:
        stage = what.stages[bisect_right(ends, step)]
        return _batch(what, stage, begin.vae, pictures, step)

    def loss(model: DiffDISUNet, batch: dict[str, Any]) -> dict[str, Tensor]:
        return losses.one_step(model, **batch, text=begin.text, prediction_type=begin.prediction_type)

    def validate(model: DiffDISUNet) -> dict[str, float]:
        return _validate(replace(begin, unet=model), held_out[: what.validate_on or None])

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


def _memory(what: Recipe, begin: weights.Checkpoint) -> memory.Estimate:
    """Of the stage that takes most."""
    factor = 2 ** (len(begin.vae.config.block_out_channels) - 1)
    stage = max(what.stages, key=lambda stage: stage.batch * stage.size**2)
    half = what.schedule.precision != "fp32"
    return memory.estimate(begin.unet, begin.text.shape[-2], stage.size // factor, stage.batch, half)


def _pictures(what: Recipe, samples: Sequence[Sample]) -> data.Pictures | data.Files:
    return data.load(samples, what.pictures) if what.keep else data.Files(samples, what.pictures)


@torch.no_grad()
def _batch(what: Recipe, stage: Stage, vae: AutoencoderKL, pictures, step: int) -> dict[str, Any]:
    """The latents of one step: what `losses.one_step` takes beside the network."""
    rng = np.random.default_rng([what.seed, 1, step])
    which = data.rows(len(pictures), stage.batch, step, what.seed)
    if what.augment == "authors":
        pixels = authors.batch([pictures[i] for i in which], stage.size, rng)
    else:
        images, masks = data.batch(pictures, which, stage.size, replace(what.augment, crop=stage.crop), rng)
        images, masks = data.cutmix(what.augment.cutmix, rng, images, masks)
        pixels = images, masks, data.edges(masks, what.edge_width)
    images, masks, outlines = (data.to_input(x.to(vae.device)) for x in pixels)
    with autocast(vae.device, what.schedule.precision):
        mask, edge = (conditioning.encode(vae, x).float() for x in (masks, outlines))
        conditions = conditioning.conditions(vae, images)
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    rows = len(mask) if what.shared_noise else 2 * len(mask)
    drawn = noise.KINDS[what.noise]((rows, *mask.shape[1:]), generator, rng)
    drawn = drawn.repeat(2 * len(mask) // rows, 1, 1, 1).to(vae.device)
    return {"mask": mask, "edge": edge, "noise": drawn, "conditions": conditions, "leak": stage.leak}


def _validate(checkpoint: weights.Checkpoint, samples: Sequence[Sample]) -> dict[str, float]:
    """F-max and MAE of one plain pass per image, at the images' own sizes."""
    measurements = []
    for seed, sample in enumerate(samples):
        image, truth = data.read(sample)
        x = normalise(resize(image, (checkpoint.size, checkpoint.size)))[None].to(checkpoint.vae.device)
        begin, _ = pipeline.seeded_noise(conditioning.encode(checkpoint.vae, x).shape[1:], [seed])
        mask, _ = pipeline.segment(
            checkpoint.unet, checkpoint.vae, checkpoint.text, x, begin.to(x.device), checkpoint.prediction_type
        )
        measurements.append(measure(resize(quantise(stretch(mask)[0].cpu().numpy()), truth.shape), truth))
    scores = score(measurements)
    return {"f_max": scores["f_max"], "mae": scores["mae"]}
