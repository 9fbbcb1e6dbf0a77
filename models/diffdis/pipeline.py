"""From an image and noise to a mask: one denoising step (paper, section 4.4), or several."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import torch
from diffusers import DDPMScheduler
from torch import Generator, Tensor, nn

from disbench.errors import InputError
from disbench.models.diffdis import conditioning
from disbench.models.diffdis.checkpoint import Checkpoint, PredictionType

STEPS = 1000
LAST = STEPS - 1
"""Timestep at which a one-step schedule with trailing spacing starts. Other spacings would start at 0 or 1."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """The settings of denoising a mask.

    Attributes:
        steps: number of denoising steps, spaced evenly down from t = 999.
        edge: whether to return the edge map too.
        dtype: of products and convolutions: float32, float16 or bfloat16. x0 is computed in float32, since its error
            grows.
        decoder: dtype of the decoder: bfloat16 where others are float16, in which it may overflow; or float32.
    """

    steps: int = 1
    edge: bool = False
    dtype: torch.dtype = torch.float32
    decoder: torch.dtype = torch.float32


ONE_PASS = Sampling()


def alphas_cumprod() -> Tensor:
    """Compute Stable Diffusion's noise schedule (1000,): betas 0.00085 to 0.012, linear in their square roots."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, STEPS) ** 2
    return (1 - betas).cumprod(dim=0)


def x0(output: Tensor, x_t: Tensor, t: int | Tensor, alphas_cumprod: Tensor, prediction_type: PredictionType) -> Tensor:
    """Compute the clean latent that the U-Net's output stands for (paper, equation 4).

    At t = 999 an error of the predicted noise grows 15 times, so everything is computed in float32.

    Args:
        output: prediction of the U-Net, (b, 4, h, w).
        x_t: noisy latents that were its input, (b, 4, h, w).
        t: one timestep, or one per row.
        alphas_cumprod: noise schedule (1000,).
        prediction_type: the quantity that `output` is.

    Returns:
        Clean latents (b, 4, h, w), float32.
    """
    output, x_t = output.float(), x_t.float()
    if isinstance(t, int):  # made on the device, since a CUDA graph cannot copy from the CPU
        alpha = x_t.new_full((1, 1, 1, 1), alphas_cumprod[t].item())
    else:
        alpha = alphas_cumprod.to(x_t.device)[t].reshape(-1, 1, 1, 1)
    match prediction_type:
        case "epsilon":
            return (x_t - (1 - alpha).sqrt() * output) / alpha.sqrt()
        case "v_prediction":
            return alpha.sqrt() * x_t - (1 - alpha).sqrt() * output
        case "sample":
            return output
    raise ValueError(f"prediction_type {prediction_type!r}; known: {', '.join(get_args(PredictionType))}")


def seeded_noise(shape: tuple[int, ...], seeds: Sequence[int]) -> tuple[Tensor, list[Generator]]:
    """Draw white noise (b, *shape), one seed per image; return it with the generators, which continue from there.

    Drawn on the CPU, so that every device and every batch size sees the same noise.
    """
    generators = [Generator().manual_seed(seed) for seed in seeds]
    return torch.stack([torch.randn(shape, generator=generator) for generator in generators]), generators


def lower_weights(checkpoint: Checkpoint, sampling: Sampling) -> None:
    """Keep the weights of products and convolutions in the dtypes of a sampling, in place, as autocast converts them.

    Norms stay in float32, in which autocast computes them, so that maps do not change.
    """
    vae = checkpoint.vae
    encoding = [checkpoint.unet, vae.encoder, *filter(None, [vae.quant_conv])]
    decoding = [vae.decoder, *filter(None, [vae.post_quant_conv])]
    for networks, dtype in ((encoding, sampling.dtype), (decoding, sampling.decoder)):
        for layer in (layer for network in networks for layer in network.modules()):
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                layer.to(dtype)


@torch.inference_mode()
def segment(
    checkpoint: Checkpoint,
    image: Tensor,
    noise: Tensor,
    sampling: Sampling = ONE_PASS,
    generators: Sequence[Generator] = (),
) -> tuple[Tensor, Tensor | None]:
    """Predict the masks of images.

    Args:
        checkpoint: networks, on the device of the images.
        image: (b, 3, H, W) in [-1, 1]. H and W are multiples of 8 latent pixels.
        noise: (b, 4, h, w), from which both mask and edge map start.
        sampling: how to denoise.
        generators: one per image, for the noise that every step but the last adds: for the mask, then for the edge.

    Returns:
        Masks (b, H, W) in [0, 1], and edge maps of the same kind, None unless asked for.

    Raises:
        InputError: if an edge map is asked for, but the weights were trained without the edge.
    """
    unet, vae, text = checkpoint.unet, checkpoint.vae, checkpoint.text
    device = image.device.type
    schedule = make_scheduler(sampling.steps, checkpoint.prediction_type)
    *first, last = schedule.timesteps.tolist()
    if sampling.edge and unet.domains == 1:
        raise InputError("these weights were trained without the edge; take others for an edge map")
    x_t = noise.repeat(unet.domains, 1, 1, 1)
    with _lower(device, sampling.dtype):
        conditions = conditioning.conditions(vae, image)
        injections = unet.injections(conditions)
        for t in first:
            output = unet(x_t, t, conditions, text, injections=injections)
            x_t = schedule.step(output.float(), t, x_t, generator=[*generators] * unet.domains).prev_sample
        output = unet(x_t, last, conditions, text, sampling.edge, injections)
    # Without the edge the U-Net returns the rows of the masks only, which come first.
    latents = x0(output, x_t[: len(output)], last, alphas_cumprod(), checkpoint.prediction_type)
    with _lower(device, sampling.decoder):
        mask, *edges = (conditioning.decode(vae, latent) for latent in latents.split(len(noise)))
    return mask, edges[0] if sampling.edge else None


def _lower(device: str, dtype: torch.dtype) -> torch.autocast:
    is_lower = dtype != torch.float32
    return torch.autocast(device, dtype if is_lower else None, enabled=is_lower)


def make_scheduler(steps: int, prediction_type: PredictionType) -> DDPMScheduler:
    """Make Stable Diffusion's scheduler with trailing spacing, from t = 999 down, whatever a base model declares."""
    scheduler = DDPMScheduler(
        STEPS,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        prediction_type=prediction_type,
        timestep_spacing="trailing",
    )
    scheduler.set_timesteps(steps)
    return scheduler
