"""A complete DiffDIS network in memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from diffusers import AutoencoderKL
from torch import Tensor

from disbench.models.diffdis.unet import DiffDISUNet

PredictionType = Literal["epsilon", "v_prediction", "sample"]
"""The quantity that the U-Net predicts: the noise, the velocity, or the clean latent."""


@dataclass(frozen=True)
class Checkpoint:
    """The networks of DiffDIS, with the settings that running them needs.

    Attributes:
        unet: the U-Net that denoises masks and edge maps.
        vae: the autoencoder between pixels and latents.
        text: embedding of the empty prompt, (1, L, C).
        prediction_type: the quantity that the U-Net predicts.
        size: side in pixels of the square images that the weights were trained for; None: the card's.
        state: name of the U-Net's state dict in its file; "" if the file has only one version of it.
        files: files that U-Net and VAE were read from; () where they are not known.
        base: the Stable Diffusion folder or id that the VAE is from; "" for weights with a VAE and prompt of their own.
    """

    unet: DiffDISUNet
    vae: AutoencoderKL
    text: Tensor
    prediction_type: PredictionType
    size: int | None = None
    state: str = ""
    files: tuple[Path, ...] = ()
    base: str = ""
