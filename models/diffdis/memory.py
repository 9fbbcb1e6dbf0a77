"""Estimate the memory of a training before it starts."""

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from disbench.models._training.schedule import Schedule
from disbench.models.diffdis.pipeline import LAST
from disbench.models.diffdis.unet import LATENT_CHANNELS, SCALES, DiffDISUNet

BYTES = 4
MOMENTS = {"adamw": 8, "adamw8bit": 2}  # bytes of both moments per weight; for 8 bits without the scale per block
FULL_SIZE = 3  # tensors that the VAE holds at once: input, inside and output of a block


@dataclass(frozen=True)
class Estimate:
    """Bytes according to the sizes of tensors, without allocator and kernels. Not checked on a GPU."""

    weights: int  # with gradients, moments and the moving average
    activations: int
    vae: int

    def __str__(self) -> str:
        """Describe the estimate in gigabytes."""
        return (
            f"about {(self.weights + self.activations + self.vae) / 1e9:.1f} GB (an estimate, measured on no GPU): "
            f"{self.weights / 1e9:.1f} for weights, gradients, moments and average, {self.activations / 1e9:.1f} for "
            f"activations, {self.vae / 1e9:.1f} for the autoencoder"
        )


def estimate_memory(
    unet: DiffDISUNet, vae: AutoencoderKL, schedule: Schedule, tokens: int, latent: int, images: int
) -> Estimate:
    """Estimate the memory of training a U-Net.

    Runs a forward pass on the meta device, which computes nothing, and sums the tensors that autograd would save. Half
    precision is assumed to halve them, although a part stays in float32. The VAE only encodes and saves nothing: it
    takes its weights, and what its first block holds at the size of the images, in float32.

    Args:
        unet: the U-Net.
        vae: the autoencoder.
        schedule: names optimizer, precision and moving average.
        tokens: length of the prompt.
        latent: side of the latents.
        images: images per batch and process.
    """
    with torch.device("meta"):
        model = DiffDISUNet.from_config(unet.config).train()
        if unet.is_gradient_checkpointing:
            model.enable_gradient_checkpointing()
        noisy = torch.empty(model.domains * images, LATENT_CHANNELS, latent, latent)
        scales = tuple(torch.empty(images, LATENT_CHANNELS, latent >> k, latent >> k) for k in range(SCALES))
        text = torch.empty(1, tokens, unet.config.cross_attention_dim)
        parameters = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
        activation_tensors: dict[int, Tensor] = {}

        def save(x: Tensor) -> Tensor:
            # Fused kernels save no attention weights (L, L); the meta device lacks these kernels.
            attention = x.dim() >= 3 and x.shape[-1] == x.shape[-2] > latent
            if x.untyped_storage()._cdata not in parameters and not attention:
                activation_tensors[x.untyped_storage()._cdata] = x
            return x

        with torch.autograd.graph.saved_tensors_hooks(save, lambda x: x):
            output = model(noisy, LAST, scales, text)
        del output
    activations = sum(x.untyped_storage().nbytes() for x in activation_tensors.values())
    always = BYTES * (2 if schedule.ema else 1)  # the weights and their moving average
    trained = BYTES + MOMENTS[schedule.optimizer]  # gradients, moments
    weights = sum((always + trained * p.requires_grad) * p.numel() for p in unet.parameters())
    widths = vae.config.block_out_channels
    pixels = images * (latent << (len(widths) - 1)) ** 2
    encoder = BYTES * (sum(p.numel() for p in vae.parameters()) + FULL_SIZE * widths[0] * pixels)
    return Estimate(weights, activations if schedule.precision == "fp32" else activations // 2, encoder)
