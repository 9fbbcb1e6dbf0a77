"""Losses that methods share: of logits or maps (b, 1, h, w) against masks (b, 1, h, w) in [0, 1]."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def bce(maps: Sequence[Tensor], masks: Tensor) -> Tensor:
    """The sum over maps (b, 1, h, w) in [0, 1] of their binary cross entropy to the masks, each a mean over pixels."""
    return sum(functional.binary_cross_entropy(x, _like(masks, x)) for x in maps)


def bce_of_logits(logits: Tensor, masks: Tensor) -> Tensor:
    """Mean binary cross entropy of logits, which are brought to the masks' size."""
    return functional.binary_cross_entropy_with_logits(resized(logits, masks), masks)


def iou_of_logits(logits: Tensor, masks: Tensor) -> Tensor:
    """1 minus the soft IoU, the mean over pictures; logits are brought to the masks' size."""
    x = resized(logits, masks).sigmoid()
    both, either = (x * masks).sum((1, 2, 3)), (x + masks - x * masks).sum((1, 2, 3))
    return (1 - (both + 1) / (either + 1)).mean()


def plain(logits: Sequence[Tensor], masks: Tensor) -> Tensor:
    """The sum over logits of cross entropy and IoU: what a method gets here whose own loss is not known."""
    return sum(bce_of_logits(x, masks) + iou_of_logits(x, masks) for x in logits)


def structure(logits: Tensor, masks: Tensor) -> Tensor:
    """F3Net's loss (Wei et al., AAAI 2020): cross entropy and IoU, both weighted, of logits of the masks' size."""
    weight = edge_weight(masks)
    entropy = functional.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    x = logits.sigmoid()
    both, sum_ = (weight * x * masks).sum((2, 3)), (weight * (x + masks)).sum((2, 3))
    return ((weight * entropy).sum((2, 3)) / weight.sum((2, 3)) + 1 - (both + 1) / (sum_ - both + 1)).mean()


def edge_weight(masks: Tensor) -> Tensor:
    """From 1 to 6: the more, the more a pixel differs from the mean of the 31 x 31 around it, outside of which is 0."""
    return 1 + 5 * (functional.avg_pool2d(masks, 31, 1, 15) - masks).abs()


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Mean structural similarity (Wang et al., 2004) of maps in [0, 1]: a Gaussian of 11 pixels, deviation 1.5."""
    row = torch.exp(-(torch.arange(-5, 6).to(x) ** 2) / (2 * 1.5**2))
    kernel = (row[:, None] * row / row.sum() ** 2)[None, None]
    planes = torch.cat((x, y, x * x, y * y, x * y), 1).flatten(0, 1)[:, None]
    means = functional.conv2d(planes, kernel, padding=5).view(len(x), 5, 1, *x.shape[2:])
    mx, my, mxx, myy, mxy = means.unbind(1)
    alike = (2 * mx * my + 0.01**2) * (2 * (mxy - mx * my) + 0.03**2)
    return (alike / ((mx**2 + my**2 + 0.01**2) * (mxx - mx**2 + myy - my**2 + 0.03**2))).mean()


def resized(x: Tensor, like: Tensor) -> Tensor:
    size = like.shape[-2:]
    return x if x.shape[-2:] == size else functional.interpolate(x, size, mode="bilinear", align_corners=False)


def _like(masks: Tensor, x: Tensor) -> Tensor:
    return masks if masks.shape == x.shape else functional.interpolate(masks, x.shape[-2:], mode="area")
