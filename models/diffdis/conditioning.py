"""Convert between pixels and latents with the VAE."""

import torch
from diffusers import AutoencoderKL
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts.upsampling import spread_kernel
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


@torch.no_grad()
def fold_upsampling(network: nn.Module) -> None:
    """Replace each upsampling and its convolution by the transposed convolution that equals them, in place."""
    for block in network.modules():
        if isinstance(block, Upsample2D):
            plain = block.conv
            spread = nn.ConvTranspose2d(plain.in_channels, plain.out_channels, 4, stride=2, padding=1)
            spread.to(plain.weight)
            spread.weight.copy_(spread_kernel(plain.weight))
            spread.bias.copy_(plain.bias)
            block.conv, block.use_conv_transpose = spread.requires_grad_(False), True
