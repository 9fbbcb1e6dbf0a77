"""The noise that training starts from."""

from typing import Protocol

import torch
from torch import Generator, Tensor
from torch.nn import functional

LEVELS = 10
DISCOUNT = 0.8  # of each level's strength against the one before


class Uniform(Protocol):
    def random(self) -> float: ...


def white(shape: tuple[int, ...], generator: Generator, rng: Uniform) -> Tensor:
    """(B, c, h, w), as at inference."""
    return torch.randn(shape, generator=generator)


def pyramid(shape: tuple[int, ...], generator: Generator, rng: Uniform) -> Tensor:
    """(B, c, h, w) of deviation 1: white noise at ever smaller sizes, enlarged and summed, strong at low frequencies.

    What the authors train DiffDIS with: level i is smaller than the last by r^i, r drawn from 2..4 by `rng`.
    """
    height, width = shape[-2:]
    total = torch.randn(shape, generator=generator)
    for level in range(LEVELS):
        shrink = (2 + 2 * rng.random()) ** level
        height, width = max(1, int(height / shrink)), max(1, int(width / shrink))
        drawn = torch.randn(*shape[:2], height, width, generator=generator)
        total += DISCOUNT**level * functional.interpolate(drawn, shape[-2:], mode="bilinear", align_corners=False)
        if 1 in (height, width):
            break
    return total / total.std()


KINDS = {"white": white, "pyramid": pyramid}
