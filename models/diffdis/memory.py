"""How much memory a training will take, told before it starts."""

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from disbench.models._training.loop import Schedule
from disbench.models.diffdis.pipeline import LAST
from disbench.models.diffdis.unet import LATENT_CHANNELS, SCALES, DiffDISUNet

BYTES = 4
MOMENTS = {"adamw": 8, "adamw8bit": 2}  # bytes of the two of a weight; in 8 bits, without the scale of each block
FULL_SIZE = 3  # tensors that the autoencoder holds at once: what enters a block, what is inside, what leaves


@dataclass(frozen=True)
class Estimate:
    """Bytes, by the sizes of tensors; never held against a GPU. What the allocator and kernels take comes on top."""

    weights: int
    activations: int
    vae: int

    def __str__(self) -> str:
        return (
            f"about {(self.weights + self.activations + self.vae) / 1e9:.1f} GB (an estimate, measured on no GPU): "
            f"{self.weights / 1e9:.1f} for weights, gradients, moments and average, {self.activations / 1e9:.1f} for "
            f"activations, {self.vae / 1e9:.1f} for the autoencoder"
        )


def estimate(
    unet: DiffDISUNet, vae: AutoencoderKL, schedule: Schedule, tokens: int, latent: int, images: int
) -> Estimate:
    """Of training `unet` on `images` at once, with latents of `latent` x `latent` and a prompt of so many tokens.

    Runs a forward pass on the meta device, which computes nothing, and adds up what autograd would keep of it. In half
    precision that is taken to be half, though a part stays in float32. Of `vae`, which encodes and keeps nothing: its
    weights, and what its first block holds at the images' size, in float32.
    """
    with torch.device("meta"):
        model = DiffDISUNet.from_config(unet.config).train()
        if unet.is_gradient_checkpointing:
            model.enable_gradient_checkpointing()
        noisy = torch.empty(model.domains * images, LATENT_CHANNELS, latent, latent)
        scales = tuple(torch.empty(images, LATENT_CHANNELS, latent >> k, latent >> k) for k in range(SCALES))
        text = torch.empty(1, tokens, unet.config.cross_attention_dim)
        own = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
        kept: dict[int, Tensor] = {}

        def keep(x: Tensor) -> Tensor:
            # Fused kernels keep no attention weights (L, L); the meta device has none of these kernels.
            weights = x.dim() >= 3 and x.shape[-1] == x.shape[-2] > latent
            if x.untyped_storage()._cdata not in own and not weights:
                kept[x.untyped_storage()._cdata] = x
            return x

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
            output = model(noisy, LAST, scales, text)
        del output
    activations = sum(x.untyped_storage().nbytes() for x in kept.values())
    always = BYTES * (2 if schedule.ema else 1)  # themselves, and their moving average
    trained = BYTES + MOMENTS[schedule.optimizer]  # gradients, moments
    weights = sum((always + trained * p.requires_grad) * p.numel() for p in unet.parameters())
    widths = vae.config.block_out_channels
    pixels = images * (latent << (len(widths) - 1)) ** 2
    encoder = BYTES * (sum(p.numel() for p in vae.parameters()) + FULL_SIZE * widths[0] * pixels)
    return Estimate(weights, activations if schedule.precision == "fp32" else activations // 2, encoder)
