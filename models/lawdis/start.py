"""The folder that a training of LawDIS starts from, and the one that it ends with, both in diffusers' layout."""

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn

from disbench.models._parts.weights import to_safetensors
from disbench.models.diffdis import files
from disbench.models.lawdis.network import FusingVAE, Networks
from disbench.models.lawdis.weights import (
    NEEDED,
    check_parts,
    load_networks,
    load_text,
    set_step,
)
from disbench.system.files import write_atomic

TEXT_FILE = "model.safetensors"


def load_start(folder: Path) -> Networks:
    """Load LawDIS' folder, or Stable Diffusion 2's widened to it. InputError if a part is missing or does not fit.

    As in the paper, the U-Net's first convolution is doubled and halved in value, and the decoder's last one averaged
    over its channels. The paper does not say how the new layers start: the embedding of the modes, and the convolutions
    for the encoder's features, are drawn from seed 0 as torch draws them.
    """
    check_parts(folder)
    config = files.load_part(UNet2DConditionModel.load_config, str(folder), "unet")
    return widen_diffusion(folder) if config.get("in_channels") == 4 else load_networks(folder)


def widen_diffusion(folder: Path) -> Networks:
    """Load Stable Diffusion 2's folder, widened to LawDIS' networks."""
    unet = files.load_network(UNet2DConditionModel, str(folder), "unet").float()
    vae = files.load_network(AutoencoderKL, str(folder), "vae").float()
    text, tokenizer = load_text(folder, unet.config.cross_attention_dim)
    first = {"conv_in.weight": unet.conv_in.weight.detach().repeat(1, 2, 1, 1) / 2}
    last = vae.decoder.conv_out.state_dict().items()
    averaged = {f"decoder.conv_out.{name}": x.mean(0, keepdim=True) for name, x in last}
    config = files.load_part(DDIMScheduler.load_config, str(folder), "scheduler")
    return Networks(
        unet=_widen(UNet2DConditionModel, unet, NEEDED["unet"], first),
        vae=_widen(FusingVAE, vae, NEEDED["vae"], averaged),
        scheduler=set_step(DDIMScheduler.from_config(config, timestep_spacing="trailing")),
        text=text,
        tokenizer=tokenizer,
    )


def _widen(kind: Any, net: nn.Module, changes: dict[str, Any], changed: dict[str, Tensor]) -> Any:
    """Build a network of another configuration, with the tensors of `net` where it has them, and some others."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        wide = kind.from_config(dict(net.config) | changes).eval()
    wide.load_state_dict(wide.state_dict() | net.state_dict() | changed)
    return wide


def write_parts(folder: Path, networks: Networks, start: Path) -> None:
    """Write all of a folder that LawDIS' predictor takes, but for the tensors of U-Net and VAE.

    Args:
        folder: the folder.
        networks: the networks.
        start: the folder that they started from, whose tokenizer is copied.
    """
    text = networks.text
    parts = {
        "unet/config.json": networks.unet.to_json_string().encode(),
        "vae/config.json": networks.vae.to_json_string().encode(),
        "scheduler/scheduler_config.json": networks.scheduler.to_json_string().encode(),
        "text_encoder/config.json": text.config.to_json_string().encode(),
        f"text_encoder/{TEXT_FILE}": to_safetensors(text, {"format": "pt"}),
    }
    parts |= {f"tokenizer/{path.name}": path.read_bytes() for path in (start / "tokenizer").iterdir() if path.is_file()}
    for name, content in parts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / name, content)
