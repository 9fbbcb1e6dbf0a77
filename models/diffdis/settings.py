"""The recipe of a DiffDIS training, as `recipes.read_recipe` reads it from a TOML file."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msgspec import Meta

from disbench.errors import InputError
from disbench.models._training import data
from disbench.models._training.recipes import Count, Cut, Natural, Rate, Seed, Share, Side
from disbench.models._training.schedule import Schedule
from disbench.models.diffdis import pipeline
from disbench.models.diffdis.checkpoint import PredictionType
from disbench.models.diffdis.unet import WHOLE, Parts

MAX_COMPILED = 8  # shapes of one network that torch.compile compiles before it silently stops compiling


@dataclass(frozen=True)
class Stage:
    """Steps with pictures of one size."""

    size: Side  # pixels, square
    steps: Count
    batch: Annotated[int, Meta(ge=2)]  # images; even, since CutMix mixes neighbours
    crop: tuple[Cut, Cut] = (0.75, 1.0)  # side of the crop, as a share of the picture's side
    leak: bool = True  # whether the input's noise holds 7 % of the truth, as in Algorithm 1


@dataclass(frozen=True)
class Recipe:
    """A training, which starts from either `base`, or `vae` and `unet`."""

    stages: tuple[Stage, ...]
    schedule: Schedule
    base: str = ""  # Stable Diffusion 2.1 or SD-Turbo: a folder in diffusers' layout or a Hugging Face id
    vae: str = ""  # path from this recipe to that of the VAE, or to a folder of trained weights
    unet: dict[str, Any] = field(default_factory=dict)  # config of diffusers.UNet2DConditionModel
    pictures: Side = 1280  # side in pixels that pictures are reduced to before they are augmented
    keep: bool = True  # whether all pictures are in memory; otherwise each is read when it is needed
    size: Side = 1024  # side in pixels that the trained network works at
    validate_on: Natural = 0  # images of DIS-VD; 0: all
    prediction_type: PredictionType = "v_prediction"  # for a training without a base
    noise: Literal["white", "pyramid"] = "white"  # the authors train with a pyramid and predict with white noise
    shared_noise: bool = True  # one noise for mask and edge, as in Algorithm 1
    parts: Parts = WHOLE  # parts of the network; the ablations omit some
    scratch: bool = False  # with a base: take its VAE and prompt only, and draw a U-Net of its shape
    cutmix: bool | Share = True  # probability; True: that of `augment`, for the authors' 1/2; False: 0
    timesteps: tuple[int, ...] = (pipeline.LAST,)  # timesteps to draw from, one per image; (): all 1000
    rollout: Annotated[int, Meta(ge=1, le=pipeline.STEPS)] = 1  # denoising steps per training step
    infer_steps: Annotated[int, Meta(ge=1, le=pipeline.STEPS)] = 1  # denoising steps of the validation
    text: tuple[Count, Count] = (2, 32)  # without a base: tokens and width of the prompt's embedding, which is 0
    edge_width: data.Width = 3
    embedding_lr: Rate = 10.0  # factor of the lr of the embedding that distinguishes masks from edges
    lora: Natural = 0  # rank of the low-rank adaptation of the U-Net's attention; 0: train all weights
    show: Natural = 4  # number of images whose masks are drawn at each validation
    checkpointing: bool = False  # gradient checkpointing: less memory for the U-Net, a third more time
    seed: Seed = 0
    augment: data.Augment | Literal["authors"] = field(default_factory=data.Augment)
    min_max: bool = True  # stretch each of the authors' pictures to [-1, 1]; False: as at inference
    native_edges: bool = True  # make the authors' edge maps at the picture's original size; False: at the stage's
    batch_norm: bool = True  # train injectors with a batch's statistics; False: the running ones, as at inference

    def __post_init__(self) -> None:
        if bool(self.base) == bool(self.vae and self.unet):
            raise InputError("give either base, or vae and unet: a training starts from one of them")
        data.check_width(self.edge_width)
        if not self.stages:
            raise InputError("stages: empty; a training needs at least one")
        if any(stage.batch % 2 for stage in self.stages):
            raise InputError("stages: batch must be even, since CutMix mixes neighbours")
        if (total := sum(stage.steps for stage in self.stages)) != self.schedule.total:
            raise InputError(f"the stages have {total} steps, the schedule {self.schedule.total}; make them equal")
        shapes = {(stage.size, stage.batch) for stage in self.stages}
        if self.schedule.compile and len(shapes) > MAX_COMPILED:
            raise InputError(
                f"compile = true: the stages have {len(shapes)} sizes and batches, and torch.compile takes "
                f"{MAX_COMPILED}; set schedule.compile to false, or give fewer"
            )
        if self.rollout > 1 and self.timesteps != (pipeline.LAST,):
            raise InputError("a rollout starts at t = 999; timesteps are for one step")
        if not all(0 <= t < pipeline.STEPS for t in self.timesteps):
            raise InputError(f"timesteps {self.timesteps}: each is 0 to 999")
