"""LawDIS' folder with small networks: those of tests/goldens/genpercept, widened to its inputs, filled from names."""

import shutil
from pathlib import Path

import numpy as np
import tiny_genpercept
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from filled_weights import checkpoint
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

CONFIGS = tiny_genpercept.CONFIGS
UNET = CONFIGS["unet"] | {"in_channels": 8, "class_embed_type": "projection"}
UNET["projection_class_embeddings_input_dim"] = 4
VAE = CONFIGS["vae"] | {"out_channels": 1}
FUSED = [(64, 32), (64, 32), (48, 32), (48, 32)]  # channels into and out of each fusing convolution
SCHEDULER = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}
SCHEDULER |= {"set_alpha_to_one": False, "steps_offset": 1, "prediction_type": "v_prediction"}
SCHEDULER |= {"timestep_spacing": "trailing"}


def list_fused(widths: list[tuple[int, int]]) -> dict[str, list[int]]:
    """List the shapes of the fusing convolutions by name."""
    keys = {}
    for i, (channels, out) in enumerate(widths):
        keys |= {f"decoder.conv_fuse_up.{i}.weight": [out, channels, 3, 3], f"decoder.conv_fuse_up.{i}.bias": [out]}
    return keys


def name_twice(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add the second names that the authors' class has for each fusing convolution."""
    return state | {name.replace("fuse_up.", "fuse_up_"): x.clone() for name, x in state.items() if "fuse_up." in name}


def fill_unet() -> UNet2DConditionModel:
    unet = UNet2DConditionModel(**UNET).eval()
    unet.load_state_dict(_fill(unet.state_dict()))
    return unet


def fill_vae() -> dict[str, Tensor]:
    """Return the state of a small VAE, with both names of each fusing convolution."""
    keys = {name: list(x.shape) for name, x in AutoencoderKL(**VAE).state_dict().items()}
    return name_twice(checkpoint(keys | list_fused(FUSED), gain=1.0))


def write_folder(folder: Path) -> Path:
    """Write the authors' folder, in diffusers' layout."""
    base = tiny_genpercept.write_base(folder)
    shutil.rmtree(base / "unet")
    fill_unet().save_pretrained(base / "unet")
    AutoencoderKL(**VAE).save_config(base / "vae")
    save_file(fill_vae(), base / "vae" / tiny_genpercept.FILE)
    DDIMScheduler(**SCHEDULER).save_pretrained(base / "scheduler")
    return folder


def load_text(folder: Path) -> tuple[CLIPTextModel, CLIPTokenizer]:
    return CLIPTextModel.from_pretrained(folder / "text_encoder"), CLIPTokenizer.from_pretrained(folder / "tokenizer")


def draw_map(height: int, width: int) -> np.ndarray:
    """Draw an earlier map, uint8 (h, w): a soft ellipse above soft stripes, with integers only."""
    y, x = np.mgrid[:height, :width]
    ramp = max(height, width) // 30
    inside = (width // 3) ** 2 * (height // 4) ** 2 - ((x - width // 2) * (height // 4)) ** 2
    inside -= ((y - height * 2 // 5) * (width // 3)) ** 2
    ellipse = inside * 20 // ((height // 4) ** 2 * width)
    period = width // 6
    stripes = (period // 4 - abs(x % period - period // 2)) * 255 // ramp + 128
    return np.clip(np.where(y > height * 4 // 5, stripes, ellipse), 0, 255).astype(np.uint8)


def answer_windows(levels: np.ndarray, windows) -> list[np.ndarray]:
    """Make answers for windows, float32 (256, 256): some are taken, some are all grey, some are the reverse."""
    answers = []
    for i, ((left, top), (width, height)) in enumerate(windows):
        part = levels[top : top + height, left : left + width]
        rows, columns = np.arange(256) * height // 256, np.arange(256) * width // 256
        small = part[rows][:, columns].astype(np.float32)
        answers.append((np.roll(small, 9, 1) * np.float32(0.99), np.full_like(small, 128), 255 - small, small)[i % 4])
    return answers


def _fill(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return checkpoint({name: list(tensor.shape) for name, tensor in state.items()}, gain=1.0)
