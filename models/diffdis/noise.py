"""Noise that a training starts from: white as at inference, or the pyramid of DiffDIS' authors."""

from typing import Protocol

import torch
from torch import Generator, Tensor
from torch.nn import functional

LEVELS = 10
DISCOUNT = 0.8  # factor of each level's strength relative to the level before


class Uniform(Protocol):
    """A generator of uniform numbers."""

    def random(self) -> float:
        """Draw a number in [0, 1)."""


def white(shape: tuple[int, ...], generator: Generator, rng: Uniform) -> Tensor:
    """Draw white noise (b, c, h, w), as at inference."""
    return torch.randn(shape, generator=generator)


def pyramid(
    shape: tuple[int, ...], generator: Generator, rng: Uniform, discount: float | Tensor = DISCOUNT
) -> Tensor:
    """Draw noise of deviation 1 that is strong at low frequencies, with which the authors train DiffDIS.

    White noise at smaller and smaller sizes is enlarged and summed. Level i is smaller than level i - 1 by r^i.

    Args:
        shape: (b, c, h, w).
        generator: draws the noise.
        rng: draws r from 2..4.
        discount: strength of level i is its i-th power; a number, or (b, 1, 1, 1).
    """
    height, width = shape[-2:]
    total = torch.randn(shape, generator=generator)
    for level in range(LEVELS):
        shrink = (2 + 2 * rng.random()) ** level
        height, width = max(1, int(height / shrink)), max(1, int(width / shrink))
        drawn = torch.randn(*shape[:2], height, width, generator=generator)
        total += discount**level * functional.interpolate(drawn, shape[-2:], mode="bilinear", align_corners=False)
        if 1 in (height, width):
            break
    return total / total.std()


KINDS = {"white": white, "pyramid": pyramid}
