"""GenPercept's folders with the small networks of tests/goldens/genpercept/configs.json, filled from names."""

import json
import shutil
from pathlib import Path

import numpy as np
from diffusers import AutoencoderKL, UNet2DConditionModel
from filled_weights import GOLDENS, checkpoint, probe_image
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

CONFIGS = json.loads((GOLDENS / "genpercept" / "configs.json").read_text())
FILE = "diffusion_pytorch_model.safetensors"


def build_networks() -> tuple[UNet2DConditionModel, AutoencoderKL]:
    unet, vae = UNet2DConditionModel(**CONFIGS["unet"]).eval(), AutoencoderKL(**CONFIGS["vae"]).eval()
    for network in (unet, vae):
        network.load_state_dict(_filled_state(network))
    return unet, vae


def prompt() -> np.ndarray:
    """Return a substitute for empty_text_embed.npy, (77, C)."""
    channels = CONFIGS["unet"]["cross_attention_dim"]
    return probe_image("genpercept_text", 77, channels, 1)[0, 0].numpy().astype(np.float16)


def write_v1(folder: Path) -> Path:
    """Write version 1 as its archive unpacks, with the prompt's embedding next to it."""
    unet, vae = build_networks()
    unet.save_pretrained(folder / "unet_dis_v1")
    vae.save_pretrained(folder / "vae")
    np.save(folder / "empty_text_embed.npy", prompt())
    return folder


def write_v2(folder: Path) -> Path:
    """Write version 2: only a U-Net."""
    (folder / "unet_dis_v2").mkdir(parents=True)
    save_file(build_networks()[0].state_dict(), folder / "unet_dis_v2" / FILE)
    return folder


def write_base(folder: Path) -> Path:
    """Write Stable Diffusion 2.1, in diffusers' layout."""
    unet, vae = build_networks()
    unet.save_config(folder / "unet")
    vae.save_pretrained(folder / "vae")
    tiny = GOLDENS / "diffdis" / "sd_tiny"
    shutil.copytree(tiny / "tokenizer", folder / "tokenizer")
    config = CLIPTextConfig.from_pretrained(tiny / "text_encoder")
    config.hidden_size = CONFIGS["unet"]["cross_attention_dim"]
    text = CLIPTextModel(config)
    text.load_state_dict(_filled_state(text))
    text.save_pretrained(folder / "text_encoder")
    return folder


def _filled_state(network: nn.Module) -> dict[str, Tensor]:
    return checkpoint({name: list(tensor.shape) for name, tensor in network.state_dict().items()}, gain=1.0)
