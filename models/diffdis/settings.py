"""What a recipe of DiffDIS says; `recipe.read` reads it."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msgspec import Meta

from disbench.errors import InputError
from disbench.models._training import data
from disbench.models._training.loop import Schedule
from disbench.models._training.recipe import Count, Cut, Natural, Rate, Seed, Share, Side
from disbench.models.diffdis import pipeline
from disbench.models.diffdis.unet import WHOLE, Parts


@dataclass(frozen=True)
class Stage:
    size: Side  # pixels, square
    steps: Count
    batch: Annotated[int, Meta(ge=2)]  # images, even: CutMix exchanges between neighbours
    crop: tuple[Cut, Cut] = (0.75, 1.0)  # side of what is cut from a picture, as a share of the picture's
    leak: bool = True  # the input's noise holds 7 % of the truth, as in Algorithm 1


@dataclass(frozen=True)
class Recipe:
    """A training. What it starts from is either `base`, or `vae` and `unet`."""

    stages: tuple[Stage, ...]
    schedule: Schedule
    base: str = ""  # Stable Diffusion 2.1 or SD-Turbo: a folder in diffusers' layout or a Hugging Face id
    vae: str = ""  # recipe of the VAE, or a folder of disbench's with trained weights, from where this one is
    unet: dict[str, Any] = field(default_factory=dict)  # the config of diffusers.UNet2DConditionModel
    pictures: Side = 1280  # side in pixels that pictures are reduced to before they are augmented
    keep: bool = True  # all pictures in memory; else each is read when it is needed
    size: Side = 1024  # side in pixels that the trained network works at
    validate_on: Natural = 0  # images of DIS-VD; 0: all
    prediction_type: pipeline.PredictionType = "v_prediction"  # a base has its own
    noise: Literal["white", "pyramid"] = "white"  # the authors train with a pyramid, and predict with white noise
    shared_noise: bool = True  # one noise for mask and edge, as in Algorithm 1
    parts: Parts = WHOLE  # what the network has; the ablations leave some out
    scratch: bool = False  # with a base: its autoencoder and prompt, but a U-Net of its shape drawn anew
    cutmix: bool | Share = True  # how likely; True: as `augment` says, the authors' pictures 1/2; False: none
    timesteps: tuple[int, ...] = (pipeline.LAST,)  # one is drawn per image; none: of all 1000
    rollout: Annotated[int, Meta(ge=1, le=pipeline.STEPS)] = 1  # steps of denoising that a step of training takes
    infer_steps: Annotated[int, Meta(ge=1, le=pipeline.STEPS)] = 1  # of denoising, when it is validated
    text: tuple[Count, Count] = (2, 32)  # without a base: tokens and width of the prompt's embedding, all zeros
    edge_width: data.Width = 3
    embedding_lr: Rate = 10.0  # times the rate, for what tells masks from edges: the authors' factor
    lora: Natural = 0  # rank of low-rank adaptation of the U-Net's attention; 0: all weights are trained
    show: Natural = 4  # images of DIS-VD whose masks are drawn at each validation
    checkpointing: bool = False  # less memory for the U-Net, a third more time
    seed: Seed = 0
    augment: data.Augment | Literal["authors"] = field(default_factory=data.Augment)
    min_max: bool = True  # the authors' pictures are each stretched to [-1, 1]; False: taken as at inference
    native_edges: bool = True  # the authors' outlines are made at a picture's own size; False: at the stage's
    batch_norm: bool = True  # injectors train with a batch's statistics; False: with the running ones, as they predict

    def __post_init__(self):
        if bool(self.base) == bool(self.vae and self.unet):
            raise InputError("either base, or vae and unet: one of them is where a training starts")
        data.check_width(self.edge_width)
        if not self.stages:
            raise InputError("stages: there are none; a training needs one")
        if any(stage.batch % 2 for stage in self.stages):
            raise InputError("stages: batch must be even, since CutMix exchanges between neighbours")
        if (total := sum(stage.steps for stage in self.stages)) != self.schedule.total:
            raise InputError(f"the stages have {total} steps, the schedule {self.schedule.total}; make them equal")
        if self.rollout > 1 and self.timesteps != (pipeline.LAST,):
            raise InputError("a rollout starts at t = 999; timesteps are for one step")
        if not all(0 <= t < pipeline.STEPS for t in self.timesteps):
            raise InputError(f"timesteps {self.timesteps}: each is 0 to 999")
