"""From an image and noise to a mask in one denoising step (paper, section 4.4)."""

from typing import Literal, get_args

import torch
from diffusers import AutoencoderKL
from torch import Tensor

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


def seeded_noise(shape: tuple[int, ...], seed: int) -> Tensor:
    """White noise of one image, made on the CPU so that every device and batch sees the same."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def segment(
    unet: DiffDISUNet,
    vae: AutoencoderKL,
    text: Tensor,
    image: Tensor,
    noise: Tensor,
    prediction_type: PredictionType = "epsilon",
    edge: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Mask and, where asked for, edge map, (B, H, W) in [0, 1], of images (B, 3, H, W) in [-1, 1].

    `noise` (B, 4, h, w) starts both; H and W are multiples of 8 latent pixels.
    """
    conditions = conditioning.conditions(vae, image)
    x_t = noise.repeat(2, 1, 1, 1)
    output = unet(x_t, LAST, conditions, text, edge=edge)
    latents = x0(output, x_t[: len(output)], LAST, alphas_cumprod(), prediction_type).to(noise.dtype)
    mask, *edges = (conditioning.decode(vae, half) for half in latents.split(len(noise)))
    return mask, edges[0] if edge else None
