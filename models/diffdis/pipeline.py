"""From an image and noise to a mask: one denoising step (paper, section 4.4), or several."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Literal, get_args

import torch
from diffusers import AutoencoderKL, DDPMScheduler
from torch import Generator, Tensor

from disbench.errors import InputError
from disbench.models.diffdis import conditioning
from disbench.models.diffdis.unet import DiffDISUNet

STEPS = 1000
LAST = STEPS - 1
"""Where a one-step schedule with trailing spacing starts; other spacings would start at 0 or 1."""

PredictionType = Literal["epsilon", "v_prediction", "sample"]


def alphas_cumprod() -> Tensor:
    """Stable Diffusion's noise schedule (1000,): betas .00085 to .012, linear in their square roots."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, STEPS) ** 2
    return (1 - betas).cumprod(dim=0)


def x0(output: Tensor, x_t: Tensor, t: int | Tensor, alphas_cumprod: Tensor, prediction_type: PredictionType) -> Tensor:
    """The clean latent that the U-Net's output stands for (paper, equation 4), float32 whatever comes in.

    At t = 999 an error of the predicted noise grows 15 times. `t` is one step or one per row.
    """
    alpha = alphas_cumprod.to(x_t.device)[t].reshape(-1, 1, 1, 1)
    output, x_t = output.float(), x_t.float()
    match prediction_type:
        case "epsilon":
            return (x_t - (1 - alpha).sqrt() * output) / alpha.sqrt()
        case "v_prediction":
            return alpha.sqrt() * x_t - (1 - alpha).sqrt() * output
        case "sample":
            return output
    raise ValueError(f"prediction_type {prediction_type!r}; known: {', '.join(get_args(PredictionType))}")


def seeded_noise(shape: tuple[int, ...], seeds: Sequence[int]) -> tuple[Tensor, list[Generator]]:
    """White noise (B, *shape), one seed per image, and the generators that go on from there.

    Made on the CPU, so that every device and every batch sees the same.
    """
    generators = [Generator().manual_seed(seed) for seed in seeds]
    return torch.stack([torch.randn(shape, generator=generator) for generator in generators]), generators


@torch.inference_mode()
def segment(
    unet: DiffDISUNet,
    vae: AutoencoderKL,
    text: Tensor,
    image: Tensor,
    noise: Tensor,
    prediction_type: PredictionType = "epsilon",
    edge: bool = False,
    steps: int = 1,
    generators: Sequence[Generator] = (),
    half: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Mask and, where asked for, edge map, (B, H, W) in [0, 1], of images (B, 3, H, W) in [-1, 1].

    `noise` (B, 4, h, w) starts both; H and W are multiples of 8 latent pixels. Of several `steps`, spaced evenly down
    from t = 999, each but the last adds noise, drawn from each image's generator: for its mask, then for its edges.
    `half` computes in float16, but x0, whose error grows, in float32, and the decoder, which may overflow, in bfloat16.
    """
    lower = partial(torch.autocast, image.device.type) if half else nullcontext
    schedule = scheduler(steps, prediction_type)
    *first, last = schedule.timesteps.tolist()
    if edge and unet.domains == 1:
        raise InputError("an edge map was asked for, but these weights were trained without the edge")
    x_t = noise.repeat(unet.domains, 1, 1, 1)
    with lower(torch.float16):
        conditions = conditioning.conditions(vae, image)
        injections = unet.injections(conditions)
        for t in first:
            output = unet(x_t, t, conditions, text, injections=injections)
            x_t = schedule.step(output.float(), t, x_t, generator=[*generators] * unet.domains).prev_sample
        output = unet(x_t, last, conditions, text, edge, injections)
    latents = x0(output, x_t[: len(output)], last, alphas_cumprod(), prediction_type)
    with lower(torch.bfloat16):
        mask, *edges = (conditioning.decode(vae, latent) for latent in latents.split(len(noise)))
    return mask, edges[0] if edge else None


def scheduler(steps: int, prediction_type: PredictionType) -> DDPMScheduler:
    """Stable Diffusion's, trailing whatever a base model's own says: from t = 999 down."""
    schedule = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    made = DDPMScheduler(
        STEPS, **schedule, clip_sample=False, prediction_type=prediction_type, timestep_spacing="trailing"
    )
    made.set_timesteps(steps)
    return made
