"""How much memory a training will take, told before it starts."""

from dataclasses import dataclass

import torch
from torch import Tensor

from disbench.models.diffdis.pipeline import LAST
from disbench.models.diffdis.unet import LATENT_CHANNELS, SCALES, DiffDISUNet

COPIES = 5  # of the weights: themselves, gradients, two moments of Adam, the moving average
FROZEN = 2  # where they are not trained: themselves, the moving average
BYTES = 4


@dataclass(frozen=True)
class Estimate:
    """Bytes. What the autoencoder, its images and the allocator take comes on top."""

    weights: int
    activations: int

    def __str__(self) -> str:
        return (
            f"about {(self.weights + self.activations) / 1e9:.1f} GB: {self.weights / 1e9:.1f} for weights, gradients, "
            f"moments and average, {self.activations / 1e9:.1f} for activations"
        )


def estimate(unet: DiffDISUNet, tokens: int, latent: int, images: int, half: bool) -> Estimate:
    """Of training `unet` on `images` at once, with latents of `latent` x `latent` and a prompt of so many tokens.

    Runs a forward pass on the meta device, which computes nothing, and adds up what autograd would keep of it. In half
    precision that is taken to be half, though a part stays in float32.
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
    copies = ((COPIES if parameter.requires_grad else FROZEN) * parameter.numel() for parameter in unet.parameters())
    weights = BYTES * sum(copies)
    return Estimate(weights, activations // 2 if half else activations)
