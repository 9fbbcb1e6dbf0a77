"""Check before any work that the networks of a recipe can be built and fit each other.

Networks are built and run once on the meta device, which computes nothing.
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


def check_sizes(path: Path, recipe: Recipe, vae: AutoencoderKL) -> None:
    """Check that the U-Net can halve the latents of every size three times.

    Args:
        path: file of the recipe, for errors.
        recipe: the recipe.
        vae: autoencoder that makes the latents.

    Raises:
        InputError: with the key of the size at fault and the nearest valid size.
    """
    multiple = (1 << (SCALES - 1)) * factor(vae)
    for key, size in [("size", recipe.size), *(("stages: size", stage.size) for stage in recipe.stages)]:
        if size % multiple:
            near = nearest_multiple(size, multiple)
            raise InputError(f"{path}: {key} = {size}: must be a multiple of {multiple}; near: {near}")


def nearest_multiple(size: int, multiple: int) -> int:
    """Return the positive multiple that is nearest to a size."""
    return max(1, round(size / multiple)) * multiple


def check_unet(path: Path, recipe: Recipe) -> None:
    """Check that [unet] makes a U-Net for latents of four channels and for a prompt as wide as `text`.

    Raises:
        InputError: with the file of the recipe, `path`, and the fault.
    """
    with _report_faults(path, "unet", "U-Net"):
        unet = DiffDISUNet(**recipe.unet, **asdict(recipe.parts))
        width = unet.config.cross_attention_dim
        if width != recipe.text[1]:
            text = list(recipe.text)
            raise InputError(f"{path}: text = {text}: its width must be cross_attention_dim, here {width}")
        side = 1 << (SCALES - 1)
        noisy = torch.empty(2 * unet.domains, LATENT_CHANNELS, side, side)
        scales = tuple(torch.empty(2, LATENT_CHANNELS, side >> k, side >> k) for k in range(SCALES))
        output = unet(noisy, LAST, scales, torch.empty(1, *recipe.text))
        if output.shape != noisy.shape:
            raise ValueError(f"latents {tuple(noisy.shape)} become {tuple(output.shape)}")


def check_vae(path: Path, recipe: VAERecipe) -> AutoencoderKL:
    """Check that [vae] makes an autoencoder for the recipe's crops and for the U-Net's latents.

    Returns:
        The autoencoder on the meta device, without values.

    Raises:
        InputError: with the file of the recipe, `path`, and the fault.
    """
    with _report_faults(path, "vae", "autoencoder"):
        vae = AutoencoderKL(**recipe.vae)
        if recipe.crop % factor(vae):
            raise InputError(f"{path}: crop = {recipe.crop}: must be a multiple of {factor(vae)}")
        crop = torch.empty(1, 3, recipe.crop, recipe.crop)
        latent = vae.encode(crop).latent_dist.mean
        side = recipe.crop // factor(vae)
        if latent.shape != (1, LATENT_CHANNELS, side, side) or vae.decode(latent).sample.shape != crop.shape:
            raise ValueError(f"latents are {tuple(latent.shape)}")
        return vae


@contextmanager
def _report_faults(path: Path, table: str, kind: str) -> Iterator[None]:
    """Run the block on the meta device and turn any exception into an InputError."""
    try:
        with torch.device("meta"), torch.no_grad():
            yield
    except InputError:
        raise
    except Exception as error:  # diffusers fails on wrong values with any kind of exception
        raise InputError(f"{path}: [{table}] makes no {kind} ({first_line(error)})") from error
