"""Between pixels and latents: what the VAE does for DiffDIS."""

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional

from disbench.models.diffdis.unet import SCALES


def factor(vae: AutoencoderKL) -> int:
    """Pixels to a latent pixel, along a side."""
    return 2 ** (len(vae.config.block_out_channels) - 1)


def encode(vae: AutoencoderKL, x: Tensor) -> Tensor:
    """Latents (B, 4, h, w) of images (B, 3, H, W) in [-1, 1]: the posterior's mean, not a sample of it."""
    return vae.encode(x).latent_dist.mean * vae.config.scaling_factor


def conditions(vae: AutoencoderKL, image: Tensor) -> tuple[Tensor, ...]:
    """Latents of the image at its size, 1/2, 1/4 and 1/8: pixels are resized, not latents."""
    resized = (
        functional.interpolate(image, scale_factor=0.5**k, mode="bilinear", align_corners=False)
        for k in range(1, SCALES)
    )
    return tuple(encode(vae, x) for x in (image, *resized))


def decode(vae: AutoencoderKL, latent: Tensor) -> Tensor:
    """Maps (B, H, W) in [0, 1], float32, of latents (B, 4, h, w): the mean of the decoder's channels."""
    pixels = vae.decode(latent / vae.config.scaling_factor).sample.float()
    return (pixels.mean(dim=1).clip(-1, 1) + 1) / 2


@torch.no_grad()
def fold_mean(vae: AutoencoderKL) -> None:
    """Let the decoder's last convolution give the mean of the three channels, which is all that `decode` looks at."""
    last = vae.decoder.conv_out
    folded = nn.Conv2d(last.in_channels, 1, last.kernel_size, padding=last.padding)
    folded.weight.copy_(last.weight.mean(0, keepdim=True))
    folded.bias.copy_(last.bias.mean(0, keepdim=True))
    vae.decoder.conv_out = folded.requires_grad_(False)
