"""Weights that follow from the names of tensors, equal on every machine, for checks of networks without any download.

A value is the top 24 bits of SplitMix64 in counter mode, keyed by SHA-256 of "disbench-v1|name". The answers of the
authors' networks, which the tests compare the baselines with, were made with these weights too.
"""

import hashlib
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from disbench.inference.parameters import list_networks
from disbench.system.compilation import make_kernel_decorator

kernel = make_kernel_decorator(nogil=True)


def fill_uniform(values: np.ndarray, name: str, low: float, high: float) -> None:
    """Fill a float array (n,) with values in [low, high) that follow from a name."""
    seed = np.frombuffer(hashlib.sha256(f"disbench-v1|{name}".encode()).digest()[:8], "<u8")[0]
    _fill(values, seed, low, high)


@kernel
def _fill(values, seed, low, high):
    """Fill an array with values in [low, high), computed in float64; compiled, since networks have 200 million."""
    for i in range(len(values)):
        z = seed + np.uint64(i + 1) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = (z ^ (z >> np.uint64(31))) >> np.uint64(40)
        values[i] = low + (high - low) * (z / 2.0**24)


def generate_weight(name: str, shape: tuple[int, ...], gain: float = 1.0) -> Tensor:
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
    fill_uniform(values.reshape(-1), name, low, high)
    return torch.from_numpy(values)


def fill_networks(owner: Any) -> int:
    """Replace the weights of all networks that a predictor has, on their devices. Returns how many tensors."""
    count = 0
    for network in list_networks(owner):
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(generate_weight(name, tuple(tensor.shape)))
                count += 1
    return count
