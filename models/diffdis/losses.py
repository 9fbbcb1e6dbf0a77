"""What DiffDIS is trained on: one step from pure noise to the latents of the mask and of its edges (Algorithm 1)."""

import torch
from torch import Tensor
from torch.nn import functional

from disbench.models.diffdis import pipeline
from disbench.models.diffdis.unet import DiffDISUNet


def one_step(
    unet: DiffDISUNet,
    mask: Tensor,
    edge: Tensor,
    noise: Tensor,
    conditions: tuple[Tensor, ...],
    text: Tensor,
    prediction_type: str,
    leak: bool = True,
) -> dict[str, Tensor]:
    """Mean squared errors of the denoised latents (paper, equation 5), {"mask", "edge"}; their sum is the loss.

    `mask` and `edge` are latents (B, 4, h, w), `noise` is (2B, 4, h, w) in the U-Net's order of rows.
    At t = 999 Algorithm 1 leaves 7 % of the truth in its input, which inference does not have; without `leak` it is
    noise alone.
    """
    alphas = pipeline.alphas_cumprod()
    alpha = alphas[pipeline.LAST]
    clean = torch.cat([mask, edge])
    x_t = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise if leak else noise
    output = unet(x_t, pipeline.LAST, conditions, text)
    denoised = pipeline.x0(output, x_t, pipeline.LAST, alphas, prediction_type)
    halves = zip(("mask", "edge"), denoised.chunk(2), clean.chunk(2), strict=True)
    return {name: functional.mse_loss(got, wanted) for name, got, wanted in halves}
