"""The weights and inputs under which DiffDIS' goldens were made: random, but seeded by each tensor's name."""

import json
import shutil
import zlib
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from disbench.models.diffdis.unet import DiffDISUNet

GOLDENS = Path(__file__).parent / "goldens" / "diffdis"
CONFIGS = json.loads((GOLDENS / "configs.json").read_text())


def draw(name: str, *shape: int) -> Tensor:
    """Standard normal, float32, seeded by the name."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))


def fill(state: dict[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """A state dict of the same names and shapes, at a scale that keeps activations near 1."""
    return {name: _weight(name, prefix, tuple(tensor.shape)) for name, tensor in state.items()}


def hashed_unet(name: str) -> DiffDISUNet:
    """A, B or FULL of configs.json."""
    unet = DiffDISUNet.from_config(CONFIGS[name]).eval()
    unet.load_state_dict(fill(unet.state_dict()))
    return unet.requires_grad_(False)


def hashed_base(folder: Path) -> Path:
    """A Stable Diffusion folder as small as B: VAE, text encoder, tokenizer, 4-channel U-Net."""
    shutil.copytree(GOLDENS / "sd_tiny", folder)
    vae = AutoencoderKL.from_config(AutoencoderKL.load_config(folder, subfolder="vae"))
    stock = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(folder, subfolder="unet"))
    text = CLIPTextModel(CLIPTextConfig.from_pretrained(folder, subfolder="text_encoder"))
    save_file(fill(vae.state_dict(), "vae."), folder / "vae" / "diffusion_pytorch_model.safetensors")
    save_file(fill(stock.state_dict(), "stock."), folder / "unet" / "diffusion_pytorch_model.safetensors")
    # transformers 5 has dropped from its modules a prefix that files keep.
    text = {f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in text.state_dict().items()}
    save_file(fill(text, "text."), folder / "text_encoder" / "model.safetensors")
    return folder


def _weight(name: str, prefix: str, shape: tuple[int, ...]) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(7)
    x = draw(prefix + name, *shape)
    if name.endswith("running_mean"):
        return 0.1 * x
    if name.endswith("running_var"):
        return 0.5 + x.abs()
    if name.endswith("bias"):
        return 0.05 * x
    if x.ndim == 1:
        return 1 + 0.1 * x
    return x * ((0.5 if name.startswith("rgb_proj") else 1) / np.prod(shape[1:]) ** 0.5)
