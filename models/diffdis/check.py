"""Whether what a recipe says makes networks that fit each other, told before any work.

Networks are built, and run once, on the meta device, which computes nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from disbench.errors import InputError
from disbench.models._parts.weights import first_line
from disbench.models.diffdis.conditioning import factor
from disbench.models.diffdis.pipeline import LAST
from disbench.models.diffdis.settings import Recipe
from disbench.models.diffdis.train_vae import VAERecipe
from disbench.models.diffdis.unet import LATENT_CHANNELS, SCALES, DiffDISUNet


def sizes(path: Path, what: Recipe, vae: AutoencoderKL) -> None:
    """InputError where a size is none that the U-Net takes, which halves the latents of `vae` three times."""
    multiple = (1 << (SCALES - 1)) * factor(vae)
    for key, size in [("size", what.size), *(("stages: size", stage.size) for stage in what.stages)]:
        if size % multiple:
            near = nearest(size, multiple)
            raise InputError(f"{path}: {key} = {size}: must be a multiple of {multiple}; near: {near}")


def nearest(size: int, multiple: int) -> int:
    return max(1, round(size / multiple)) * multiple


def unet(path: Path, what: Recipe) -> None:
    """InputError where [unet] makes no U-Net, or none for four latents and for a prompt as wide as `text`."""
    with _said(path, "unet", "U-Net"):
        made = DiffDISUNet(**what.unet, **asdict(what.parts))
        if (width := made.config.cross_attention_dim) != what.text[1]:
            raise InputError(f"{path}: text = {list(what.text)}: its width must be cross_attention_dim, here {width}")
        side = 1 << (SCALES - 1)
        noisy = torch.empty(2 * made.domains, LATENT_CHANNELS, side, side)
        scales = tuple(torch.empty(2, LATENT_CHANNELS, side >> k, side >> k) for k in range(SCALES))
        answer = made(noisy, LAST, scales, torch.empty(1, *what.text))
        if answer.shape != noisy.shape:
            raise ValueError(f"latents {tuple(noisy.shape)} become {tuple(answer.shape)}")


def vae(path: Path, what: VAERecipe) -> AutoencoderKL:
    """One without values; InputError where [vae] makes none for the recipe's crops and for the U-Net's latents."""
    with _said(path, "vae", "autoencoder"):
        made = AutoencoderKL(**what.vae)
        if what.crop % factor(made):
            raise InputError(f"{path}: crop = {what.crop}: must be a multiple of {factor(made)}")
        crop = torch.empty(1, 3, what.crop, what.crop)
        latent = made.encode(crop).latent_dist.mean
        side = what.crop // factor(made)
        if latent.shape != (1, LATENT_CHANNELS, side, side) or made.decode(latent).sample.shape != crop.shape:
            raise ValueError(f"latents are {tuple(latent.shape)}")
        return made


@contextmanager
def _said(path: Path, table: str, kind: str) -> Iterator[None]:
    try:
        with torch.device("meta"), torch.no_grad():
            yield
    except InputError:
        raise
    except Exception as error:  # diffusers fails on wrong values in whatever way they lead it to
        raise InputError(f"{path}: [{table}] makes no {kind} ({first_line(error)})") from error
