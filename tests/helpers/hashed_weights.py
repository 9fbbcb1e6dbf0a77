"""The networks with which the goldens of DiffDIS were made."""

import json
import shutil
from pathlib import Path

from diffusers import AutoencoderKL, UNet2DConditionModel
from drawn_weights import draw, fill
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

from disbench.models.diffdis.unet import DiffDISUNet

__all__ = ["CONFIGS", "GOLDENS", "draw", "fill", "hashed_base", "hashed_unet"]

GOLDENS = Path(__file__).parents[1] / "goldens" / "diffdis"
CONFIGS = json.loads((GOLDENS / "configs.json").read_text())


def hashed_unet(name: str) -> DiffDISUNet:
    """Build A, B or FULL of configs.json with weights drawn by name."""
    unet = DiffDISUNet.from_config(CONFIGS[name]).eval()
    unet.load_state_dict(fill(unet.state_dict()))
    return unet.requires_grad_(False)


def hashed_base(folder: Path) -> Path:
    """Write a Stable Diffusion folder as small as B: VAE, text encoder, tokenizer and 4-channel U-Net."""
    shutil.copytree(GOLDENS / "sd_tiny", folder)
    vae = AutoencoderKL.from_config(AutoencoderKL.load_config(folder, subfolder="vae"))
    stock = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(folder, subfolder="unet"))
    text = CLIPTextModel(CLIPTextConfig.from_pretrained(folder, subfolder="text_encoder"))
    save_file(fill(vae.state_dict(), "vae."), folder / "vae" / "diffusion_pytorch_model.safetensors")
    save_file(fill(stock.state_dict(), "stock."), folder / "unet" / "diffusion_pytorch_model.safetensors")
    # Files keep a prefix that transformers 5 has dropped from its modules.
    text = {f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in text.state_dict().items()}
    save_file(fill(text, "text."), folder / "text_encoder" / "model.safetensors")
    return folder
