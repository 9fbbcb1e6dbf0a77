"""Checkpoints and probes generated from names, equal on every machine; the baselines' goldens were made with them.

disbench.doctor.generated_weights has the rule. A tensor depends only on its name and shape, so a file of 44 million
parameters is stored as its list of keys.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from disbench.doctor.generated_weights import fill_uniform, generate_weight

GOLDENS = Path(__file__).parents[1] / "goldens"


def uniform(name: str, count: int) -> np.ndarray:
    """Generate float64 (count,) in [0, 1), exact in float32."""
    values = np.empty(count, np.float64)
    fill_uniform(values, name, 0.0, 1.0)
    return values


def read_keys(path: Path) -> dict[str, list[int]]:
    """Read the shapes of the authors' state dict by name."""
    return json.loads(gzip.decompress(path.read_bytes()))


def checkpoint(keys: dict[str, list[int]], gain: float) -> dict[str, Tensor]:
    """Generate the authors' file; whole numbers, which no tested output depends on, are 0."""
    whole = ("num_batches_tracked", "relative_position_index")
    return {
        name: torch.zeros(shape, dtype=torch.int64)
        if name.endswith(whole)
        else generate_weight(name, tuple(shape), gain)
        for name, shape in keys.items()
    }


def probe_image(name: str, height: int, width: int, channels: int = 3) -> Tensor:
    """Generate a normalised network input (1, channels, h, w): waves and noise, in multiples of 1/64."""
    y = ((np.arange(height) + 0.5) / height)[:, None]
    x = ((np.arange(width) + 0.5) / width)[None]
    planes = []
    for c in range(channels):
        waves = np.zeros((height, width))
        for i, (fy, fx, phase, amplitude) in enumerate(uniform(f"probe/{name}/wave/0/{c}", 24).reshape(6, 4)):
            angle = 2 * np.pi * ((fy * 8 - 4) * y + (fx * 8 - 4) * x + phase)
            waves += (0.3 + 0.7 * amplitude) * np.sin(angle) / (1 + 0.3 * i)
        noise = uniform(f"probe/{name}/noise/0/{c}", height * width).reshape(height, width)
        planes.append(0.7 * waves + (noise - 0.5))
    return torch.from_numpy((np.clip(np.rint(np.stack(planes) * 64), -256, 256) / 64).astype(np.float32))[None]


def probe_photo(name: str, height: int, width: int) -> np.ndarray:
    """Generate a uint8 RGB photo (h, w, 3): ramps, an inverted disc and noise, with integers only."""
    noise = np.floor(uniform(f"rgb8/{name}", height * width * 3) * 64).astype(np.int64).reshape(height, width, 3)
    y, x = np.mgrid[:height, :width]
    ramps = (y * 255 // max(1, height - 1), x * 255 // max(1, width - 1), (y + x) * 255 // max(1, height + width - 2))
    disc = ((2 * y - height) ** 2 + (2 * x - width) ** 2) * 4 < min(height, width) ** 2
    picture = np.stack(ramps, -1)
    return np.clip(np.where(disc[..., None], 255 - picture, picture) + noise - 32, 0, 255).astype(np.uint8)


def probe_logits(name: str, height: int, width: int) -> Tensor:
    """Generate the logits of a map, (1, 1, h, w)."""
    return 3 * probe_image(f"map/{name}", height, width, 1)


def scaled(state: dict[str, Tensor], factors: dict[str, float]) -> dict[str, Tensor]:
    """Scale the tensors of layers whose inputs are not near 1."""
    return {name: tensor * factors.get(name, 1) for name, tensor in state.items()}


def loss_maps(name: str, *sides: int) -> list[Tensor]:
    """Generate logits (2, 1, side, side) for each side."""
    return [torch.cat([probe_logits(f"{name}/{i}/{b}", side, side) for b in (0, 1)]) for i, side in enumerate(sides)]


def loss_masks(side: int) -> Tensor:
    """Generate a ground truth (2, 1, side, side) of 0 and 1."""
    return (loss_maps("mask", side)[0] > 0).float()
