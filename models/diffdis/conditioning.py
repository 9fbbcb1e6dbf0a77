"""Convert between pixels and latents with the VAE."""

import torch
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional

from disbench.models.diffdis.unet import SCALES


def factor(vae: AutoencoderKL) -> int:
    """Return the number of pixels per latent pixel, along a side."""
    return 2 ** (len(vae.config.block_out_channels) - 1)


def encode(vae: AutoencoderKL, x: Tensor) -> Tensor:
    """Encode images (b, 3, H, W) in [-1, 1] to latents (b, 4, h, w): the mean of the posterior, not a sample."""
    return vae.encode(x).latent_dist.mean * vae.config.scaling_factor


def conditions(vae: AutoencoderKL, image: Tensor) -> tuple[Tensor, ...]:
    """Encode an image at its size, 1/2, 1/4 and 1/8. Pixels are resized, not latents."""
    resized = (
        functional.interpolate(image, scale_factor=0.5**k, mode="bilinear", align_corners=False)
        for k in range(1, SCALES)
    )
    return tuple(encode(vae, x) for x in (image, *resized))


def decode(vae: AutoencoderKL, latent: Tensor) -> Tensor:
    """Decode latents (b, 4, h, w) to maps (b, H, W) in [0, 1], float32: the mean of the decoder's channels."""
    pixels = vae.decode(latent / vae.config.scaling_factor).sample.float()
    return (pixels.mean(dim=1).clip(-1, 1) + 1) / 2


@torch.no_grad()
def fold_mean(vae: AutoencoderKL) -> None:
    """Reduce the decoder's last convolution to the mean of its three channels, all that `decode` uses, in place."""
    last = vae.decoder.conv_out
    folded = nn.Conv2d(last.in_channels, 1, last.kernel_size, padding=last.padding)
    folded.weight.copy_(last.weight.mean(0, keepdim=True))
    folded.bias.copy_(last.bias.mean(0, keepdim=True))
    vae.decoder.conv_out = folded.requires_grad_(False)


class LeanBlock(ResnetBlock2D):
    """A block of the VAE with fewer passes over memory: activations in place, and no division by 1. Same values."""

    def forward(self, x: Tensor, temb: None = None) -> Tensor:
        """Compute (b, c, H, W) from (b, c', H, W), without gradients."""
        hidden = self.conv1(functional.silu(self.norm1(x), inplace=True))
        hidden = self.conv2(functional.silu(self.norm2(hidden), inplace=True))
        return (x if self.conv_shortcut is None else self.conv_shortcut(x)) + hidden


def spare_memory(vae: AutoencoderKL) -> None:
    """Make the blocks of a VAE that is not trained lean, in place, which changes no value."""
    for block in vae.modules():
        if type(block) is ResnetBlock2D and block.output_scale_factor == 1:
            block.__class__ = LeanBlock
