"""Laplacian pyramids of maps: how InSPyReNet joins its levels, and how it blends two pyramids of one image."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from disbench.models.inspyrenet.layers import resize

GAUSS = torch.exp(-(torch.arange(-3, 4, dtype=torch.float64) ** 2) / 2)  # 7 taps, deviation 1
KERNEL = (torch.outer(GAUSS, GAUSS) / GAUSS.sum() ** 2).float()[None, None]
TRANSITIONS = (5, 9, 17)  # diameters in pixels, coarse to fine


class Pyramid(NamedTuple):
    """Logits (b, 1, h, w), coarse to fine.

    Attributes:
        saliency: Maps at 1/8, 1/4, 1/2 and 1 of the size.
        laplacian: Details that each map but the first adds to the coarser one.
    """

    saliency: list[Tensor]
    laplacian: list[Tensor]


def expand(x: Tensor, laplacian: Tensor) -> Tensor:
    """Expand (b, 1, h, w) as Burt and Adelson do, and add the details (b, 1, 2h, 2w)."""
    spread = functional.pixel_shuffle(functional.pad(x, (0, 0, 0, 0, 0, 3)), 2)  # new pixels are 0
    padded = functional.pad(spread, (3, 3, 3, 3), mode="reflect")
    return functional.conv2d(padded, 4 * KERNEL.to(x.device)) + laplacian


def reduce(x: Tensor) -> Tensor:
    """Blur (b, 1, h, w) and keep every other pixel: (b, 1, h/2, w/2)."""
    padded = functional.pad(x, (3, 3, 3, 3), mode="reflect")
    return functional.conv2d(padded, KERNEL.to(x.device))[..., ::2, ::2]


def blend(low: Pyramid, high: Pyramid) -> Tensor:
    """Return the small copy's map at the large copy's size, with the large copy's details along edges only.

    At sizes above that of training a network misses the object as a whole; the small copy shows it, but lacks details.
    """
    x = resize(low.saliency[-1], high.saliency[0].shape[-2:])
    for laplacian, diameter in zip(high.laplacian, TRANSITIONS, strict=True):
        x = expand(x, resize(transition(x, diameter), laplacian.shape[-2:]) * laplacian)
    return x


def transition(x: Tensor, diameter: int) -> Tensor:
    """Return 1 where the sigmoids of logits differ by more than 1/2 within an ellipse of this diameter, otherwise 0."""
    x = x.sigmoid()
    return (dilate(x, diameter) + dilate(-x, diameter) > 0.5).float()


def dilate(x: Tensor, diameter: int) -> Tensor:
    """Dilate (b, c, h, w) in grey levels by OpenCV's ellipse of this diameter; the outside does not count."""
    radius, height = diameter // 2, x.shape[2]
    dilated = torch.full_like(x, -torch.inf)
    for dy in range(-radius, radius + 1):
        dx = round((radius**2 - dy**2) ** 0.5)
        row = functional.max_pool2d(x, (1, 2 * dx + 1), 1, (0, dx))
        padded = functional.pad(row, (0, 0, radius, radius), value=-torch.inf)
        dilated = dilated.maximum(padded[:, :, radius + dy : radius + dy + height])
    return dilated
