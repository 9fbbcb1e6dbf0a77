"""Losses of DiffDIS: one step from pure noise to the latents of the mask and of its edges (paper, Algorithm 1).

The ablations of the paper's Table 4 train with another timestep, or with several steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from disbench.models.diffdis import pipeline
from disbench.models.diffdis.checkpoint import Checkpoint


@dataclass(frozen=True, kw_only=True)
class Latents:
    """A batch of b images as the losses take it.

    Attributes:
        mask: latents of the masks, (b, 4, h, w).
        edge: latents of the edge maps, (b, 4, h, w); None for a U-Net without the edge.
        noise: (2b, 4, h, w) in the U-Net's order of rows; (b, 4, h, w) without the edge.
        conditions: latents of the images at their size, 1/2, 1/4 and 1/8.
        leak: whether the input at t = 999 holds 7 % of the truth, as in Algorithm 1. Inference does not have it.
        timestep: one timestep, or one per row.
        seeds: seeds of the noise between several steps, one per image.
    """

    mask: Tensor
    edge: Tensor | None
    noise: Tensor
    conditions: tuple[Tensor, ...]
    leak: bool = True
    timestep: int | Tensor = pipeline.LAST
    seeds: Sequence[int] = ()


def one_step(network: Checkpoint, latents: Latents) -> dict[str, Tensor]:
    """Compute the losses of one denoising step: mean squared errors of the denoised latents (paper, equation 5).

    Returns the parts "mask" and, with the edge, "edge". Their sum is the loss.
    """
    t = latents.timestep
    x_t = _add_noise(latents, t)
    output = network.unet(x_t, t, latents.conditions, network.text)
    return _squared_errors(pipeline.x0(output, x_t, t, pipeline.alphas_cumprod(), network.prediction_type), latents)


def several_steps(network: Checkpoint, latents: Latents, steps: int) -> dict[str, Tensor]:
    """Compute the same losses after several denoising steps from t = 999, as at inference.

    Gradients flow through all steps. Table 4 has such a training with t = 999 and 499; the paper does not say which of
    the two steps has the loss.
    """
    unet, conditions, text = network.unet, latents.conditions, network.text
    x_t = _add_noise(latents, pipeline.LAST)
    generators = [torch.Generator().manual_seed(seed) for seed in latents.seeds] * unet.domains
    injections = unet.injections(conditions)  # computed once, so that their batch norms count each row once
    schedule = pipeline.make_scheduler(steps, network.prediction_type)
    *first, last = schedule.timesteps.tolist()
    for t in first:
        output = unet(x_t, t, conditions, text, injections=injections)
        x_t = schedule.step(output.float(), t, x_t, generator=generators).prev_sample
    output = unet(x_t, last, conditions, text, injections=injections)
    denoised = pipeline.x0(output, x_t, last, pipeline.alphas_cumprod(), network.prediction_type)
    return _squared_errors(denoised, latents)


def _add_noise(latents: Latents, t: int | Tensor) -> Tensor:
    noise = latents.noise
    alpha = pipeline.alphas_cumprod().to(noise.device)[t].reshape(-1, 1, 1, 1)
    noisy = alpha.sqrt() * _targets(latents) + (1 - alpha).sqrt() * noise
    if latents.leak:
        return noisy
    hides_truth = torch.as_tensor(t, device=noise.device).reshape(-1, 1, 1, 1) == pipeline.LAST
    return torch.where(hides_truth, noise, noisy)


def _squared_errors(denoised: Tensor, latents: Latents) -> dict[str, Tensor]:
    images = len(latents.mask)
    # Not strict: without the edge there is only the mask.
    pairs = zip(("mask", "edge"), denoised.split(images), _targets(latents).split(images), strict=False)
    return {name: functional.mse_loss(prediction, target) for name, prediction, target in pairs}


def _targets(latents: Latents) -> Tensor:
    return latents.mask if latents.edge is None else torch.cat([latents.mask, latents.edge])
