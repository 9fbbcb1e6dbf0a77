"""What DiffDIS is trained on: one step from pure noise to the latents of the mask and of its edges (Algorithm 1).

And the other ways of the paper's Table 4: another timestep, or several steps.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from disbench.models.diffdis import pipeline
from disbench.models.diffdis.unet import DiffDISUNet


def one_step(
    unet: DiffDISUNet,
    mask: Tensor,
    edge: Tensor | None,
    noise: Tensor,
    conditions: tuple[Tensor, ...],
    text: Tensor,
    prediction_type: str,
    leak: bool = True,
    t: int | Tensor = pipeline.LAST,
) -> dict[str, Tensor]:
    """Mean squared errors of the denoised latents (paper, equation 5), {"mask", "edge"}; their sum is the loss.

    `mask` and `edge` are latents (B, 4, h, w), `noise` is (2B, 4, h, w) in the U-Net's order of rows; for a U-Net
    without the edge, None and (B, 4, h, w). `t` is one timestep or one per row.
    At t = 999 Algorithm 1 leaves 7 % of the truth in its input, which inference does not have; without `leak` it is
    noise alone there.
    """
    alphas = pipeline.alphas_cumprod()
    x_t = _noisy(mask, edge, noise, leak, t)
    output = unet(x_t, t, conditions, text)
    return _errors(pipeline.x0(output, x_t, t, alphas, prediction_type), mask, edge)


def several_steps(
    unet: DiffDISUNet,
    mask: Tensor,
    edge: Tensor | None,
    noise: Tensor,
    conditions: tuple[Tensor, ...],
    text: Tensor,
    prediction_type: str,
    leak: bool,
    seeds: Sequence[int],
    steps: int,
) -> dict[str, Tensor]:
    """The same errors after so many steps of denoising, as at inference, with gradients through all of them.

    Table 4 has such a training of two, t = 999 and 499; on which of them its loss is, the paper does not say. `seeds`,
    one per image, are those of the noise between steps.
    """
    x_t = _noisy(mask, edge, noise, leak, pipeline.LAST)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds] * unet.domains
    injections = unet.injections(conditions)  # once, so that their batch norms count each row once
    schedule = pipeline.scheduler(steps, prediction_type)
    *first, last = schedule.timesteps.tolist()
    for t in first:
        output = unet(x_t, t, conditions, text, injections=injections)
        x_t = schedule.step(output.float(), t, x_t, generator=generators).prev_sample
    output = unet(x_t, last, conditions, text, injections=injections)
    return _errors(pipeline.x0(output, x_t, last, pipeline.alphas_cumprod(), prediction_type), mask, edge)


def _noisy(mask: Tensor, edge: Tensor | None, noise: Tensor, leak: bool, t: int | Tensor) -> Tensor:
    alpha = pipeline.alphas_cumprod().to(noise.device)[t].reshape(-1, 1, 1, 1)
    noisy = alpha.sqrt() * _both(mask, edge) + (1 - alpha).sqrt() * noise
    if leak:
        return noisy
    return torch.where(torch.as_tensor(t, device=noise.device).reshape(-1, 1, 1, 1) == pipeline.LAST, noise, noisy)


def _errors(denoised: Tensor, mask: Tensor, edge: Tensor | None) -> dict[str, Tensor]:
    parts = zip(("mask", "edge"), denoised.split(len(mask)), _both(mask, edge).split(len(mask)), strict=False)
    return {name: functional.mse_loss(got, wanted) for name, got, wanted in parts}


def _both(mask: Tensor, edge: Tensor | None) -> Tensor:
    return mask if edge is None else torch.cat([mask, edge])
