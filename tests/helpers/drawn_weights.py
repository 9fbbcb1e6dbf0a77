"""Weights and inputs of the DiffDIS goldens: random, seeded by each tensor's name.

Needs only torch and NumPy, so that the authors' environment can draw them too.
"""

import zlib

import numpy as np
import torch
from torch import Tensor


def draw(name: str, *shape: int) -> Tensor:
    """Draw standard normal numbers, float32, seeded by the name."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))


def fill(state: dict[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """Draw a state dict of the same names and shapes, at a scale that keeps activations near 1."""
    return {name: _weight(name, prefix, tuple(tensor.shape)) for name, tensor in state.items()}


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
