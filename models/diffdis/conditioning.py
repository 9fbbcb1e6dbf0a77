"""Between pixels and latents: what the VAE does for DiffDIS."""

from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from disbench.models.diffdis.unet import SCALES


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
    """Maps (B, H, W) in [0, 1] of latents (B, 4, h, w)."""
    pixels = vae.decode(latent / vae.config.scaling_factor).sample
    return (pixels.mean(dim=1).clip(-1, 1) + 1) / 2
