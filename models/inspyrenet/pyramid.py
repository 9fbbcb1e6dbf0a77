"""Laplacian pyramids of maps: how InSPyReNet puts its levels together, and two pyramids of one image."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from disbench.models.inspyrenet.layers import resized

GAUSS = torch.exp(-(torch.arange(-3, 4, dtype=torch.float64) ** 2) / 2)  # 7 taps, deviation 1
KERNEL = (torch.outer(GAUSS, GAUSS) / GAUSS.sum() ** 2).float()[None, None]
TRANSITIONS = (5, 9, 17)  # pixels across, coarse to fine


class Pyramid(NamedTuple):
    """Logits (b, 1, h, w): saliency at 1/8, 1/4, 1/2 and 1 of the size; what each but the first adds to the coarser."""

    saliency: list[Tensor]
    laplacian: list[Tensor]


def finer(x: Tensor, laplacian: Tensor) -> Tensor:
    """(b, 1, h, w) and (b, 1, 2h, 2w) -> (b, 1, 2h, 2w): expanded as by Burt and Adelson, and the details added."""
    apart = functional.pixel_shuffle(functional.pad(x, (0, 0, 0, 0, 0, 3)), 2)  # zeros in the three new places
    padded = functional.pad(apart, (3, 3, 3, 3), mode="reflect")
    return functional.conv2d(padded, 4 * KERNEL.to(x.device)) + laplacian


def reduced(x: Tensor) -> Tensor:
    """(b, 1, h, w) -> (b, 1, h/2, w/2): blurred, and every other pixel of it."""
    padded = functional.pad(x, (3, 3, 3, 3), mode="reflect")
    return functional.conv2d(padded, KERNEL.to(x.device))[..., ::2, ::2]


def blended(low: Pyramid, high: Pyramid) -> Tensor:
    """The map of the small copy at the size of the large one, with the details of that, but only along edges.

    An image shown at a size above that of training loses the whole; its small copy has that, and no details.
    """
    x = resized(low.saliency[-1], high.saliency[0].shape[-2:])
    for laplacian, across in zip(high.laplacian, TRANSITIONS, strict=True):
        x = finer(x, resized(transition(x, across), laplacian.shape[-2:]) * laplacian)
    return x


def transition(x: Tensor, across: int) -> Tensor:
    """Logits -> 1 where their sigmoids within an ellipse of so many pixels across differ by more than 1/2, else 0."""
    x = x.sigmoid()
    return (largest(x, across) + largest(-x, across) > 0.5).float()


def largest(x: Tensor, across: int) -> Tensor:
    """Grey dilation (b, c, h, w) by OpenCV's ellipse of so many pixels across; nothing comes from outside."""
    radius, height = across // 2, x.shape[2]
    found = torch.full_like(x, -torch.inf)
    for dy in range(-radius, radius + 1):
        dx = round((radius**2 - dy**2) ** 0.5)
        row = functional.max_pool2d(x, (1, 2 * dx + 1), 1, (0, dx))
        padded = functional.pad(row, (0, 0, radius, radius), value=-torch.inf)
        found = found.maximum(padded[:, :, radius + dy : radius + dy + height])
    return found
