"""Checkpoints and probes generated from names, equal on every machine; the baselines' goldens were made with them.

A value is the top 24 bits of SplitMix64 in counter mode, keyed by SHA-256 of "disbench-v1|name". A tensor depends only
on its name and shape, so a file of 44 million parameters is stored as its list of keys.
"""

import gzip
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import torch
from numba import njit
from torch import Tensor

GOLDENS = Path(__file__).parents[1] / "goldens"


def uniform(name: str, count: int) -> np.ndarray:
    """Generate float64 (count,) in [0, 1), exact in float32."""
    values = np.empty(count, np.float64)
    _fill(values, _seed(name), 0.0, 1.0)
    return values


def _seed(name: str) -> np.uint64:
    return np.frombuffer(hashlib.sha256(f"disbench-v1|{name}".encode()).digest()[:8], "<u8")[0]


@njit(cache=True)
def _fill(values, seed, low, high):
    """Fill an array with values in [low, high), computed in float64; compiled, since networks have 200 million."""
    for i in range(len(values)):
        z = seed + np.uint64(i + 1) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = (z ^ (z >> np.uint64(31))) >> np.uint64(40)
        values[i] = low + (high - low) * (z / 2.0**24)


def weight(name: str, shape: tuple[int, ...], gain: float) -> Tensor:
    """Generate a float32 tensor that keeps activations near 1; `gain` is its deviation over 1 / sqrt(fan-in)."""
    last = name.rpartition(".")[2]
    if last == "running_mean" or (len(shape) < 2 and last.endswith("bias")):
        low, high = -0.1, 0.1
    elif last == "running_var":
        low, high = 0.5, 1.5
    elif len(shape) < 2:
        low, high = (0.1, 0.4) if math.prod(shape) == 1 else (0.75, 1.25)
    else:
        high = gain * math.sqrt(3 / math.prod(shape[1:]))
        low = -high
    values = np.empty(shape, np.float32)
    _fill(values.reshape(-1), _seed(name), low, high)
    return torch.from_numpy(values)


def read_keys(path: Path) -> dict[str, list[int]]:
    """Read the shapes of the authors' state dict by name."""
    return json.loads(gzip.decompress(path.read_bytes()))


def checkpoint(keys: dict[str, list[int]], gain: float) -> dict[str, Tensor]:
    """Generate the authors' file; whole numbers, which no tested output depends on, are 0."""
    whole = ("num_batches_tracked", "relative_position_index")
    return {
        name: torch.zeros(shape, dtype=torch.int64) if name.endswith(whole) else weight(name, tuple(shape), gain)
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
