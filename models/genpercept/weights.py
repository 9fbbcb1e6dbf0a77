"""GenPercept's weights, from the folders that its authors publish.

Version 1 brings its VAE; the empty prompt's embedding is a file of its own, in their repository. Version 2 is a U-Net
alone: VAE and text encoder are those of Stable Diffusion 2.1, the base.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor

from disbench.errors import InputError
from disbench.models._parts.weights import find, first_line, read
from disbench.models.diffdis import files
from disbench.models.diffdis.weights import autoencoder, check_prompt, empty_prompt
from disbench.models.genpercept.network import UNET, VAE, Networks

BASE = "stabilityai/stable-diffusion-2-1"
VERSIONS = {"unet_dis_v1": "v1", "unet_dis_v2": "v2", "unet": "v2"}  # by the U-Net's folder: their shapes are the same
FILE = "diffusion_pytorch_model.safetensors"
PROMPT = "empty_text_embed.npy"
WANTED = (*(f"{folder}/{FILE}" for folder in VERSIONS), "unet_dis_v1/config.json", f"vae/{FILE}", "vae/config.json")


def load(name: str, base: str = BASE, prompt: str | None = None) -> tuple[str, Networks]:
    """Version and networks of what `name` is: a folder with one of VERSIONS in it, that itself, or a Hugging Face id.

    `prompt`: version 1's empty_text_embed.npy, where it does not lie in the folder.
    """
    path = find(name, WANTED)
    if path.name in VERSIONS and (path / FILE).is_file():
        root, folder = path.parent, path.name
    else:
        present = [folder for folder in VERSIONS if (path / folder / FILE).is_file()]
        if len(present) != 1:
            found = f"more than one, so name one of {', '.join(present)}" if present else "none"
            raise InputError(f"{path}: a folder with {FILE} in {', '.join(VERSIONS)} is needed, here is {found}")
        root, folder = path, present[0]
    if VERSIONS[folder] == "v1":
        return "v1", _first(root, folder, Path(prompt) if prompt else root / PROMPT)
    return "v2", _second(root, folder, base)


def untrained(seed: int = 0) -> Networks:
    """At full size, as drawn from the seed; the prompt's embedding is 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts = UNet2DConditionModel(**UNET).eval(), AutoencoderKL(**VAE).eval()
    return Networks(*parts, torch.zeros(1, 2, UNET["cross_attention_dim"]))


def _first(root: Path, folder: str, prompt: Path) -> Networks:
    width = files.load_part(UNet2DConditionModel.load_config, str(root), folder)["cross_attention_dim"]
    text = _embedding(prompt, width)  # before the gigabytes
    return Networks(_part(UNet2DConditionModel, root, folder), _part(AutoencoderKL, root, "vae"), text)


def _second(root: Path, folder: str, base: str) -> Networks:
    path = root / folder / FILE
    config = files.load_part(UNet2DConditionModel.load_config, base, "unet")
    unet = files.build_network(UNet2DConditionModel, config, read(path), path)
    text = empty_prompt(base)
    check_prompt(text, unet, f"{base}/text_encoder")
    return Networks(unet, autoencoder(base), text)


def _part(kind: type, root: Path, folder: str):
    path = root / folder / FILE
    return files.build_network(kind, files.load_part(kind.load_config, str(root), folder), read(path), path)


def _embedding(path: Path, width: int) -> Tensor:
    try:
        embedding = torch.from_numpy(np.load(path).astype(np.float32))
    except FileNotFoundError:
        where = "https://github.com/aim-uofa/GenPercept/tree/main/GenPercept_v1"
        raise InputError(f"{path}: get it from {where}, or say where it is: prompt=PATH") from None
    except (OSError, EOFError, ValueError, AttributeError) as error:  # the last: an archive of several arrays
        raise InputError(f"{path}: not the empty prompt's embedding ({first_line(error)})") from None
    if embedding.ndim != 2 or embedding.shape[1] != width:
        raise InputError(f"{path}: not this U-Net's empty prompt: {tuple(embedding.shape)} instead of (77, {width})")
    return embedding[None]
