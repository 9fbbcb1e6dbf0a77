"""Losses that methods share: logits or maps (b, 1, h, w) against masks (b, 1, h, w) in [0, 1]."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def bce(maps: Sequence[Tensor], masks: Tensor) -> Tensor:
    """Sum the mean binary cross entropy over maps (b, 1, h, w) in [0, 1] of any sizes."""
    return sum(functional.binary_cross_entropy(x, _like(masks, x)) for x in maps)


def bce_of_logits(logits: Tensor, masks: Tensor) -> Tensor:
    """Compute the mean binary cross entropy of logits, resized to the size of the masks."""
    return functional.binary_cross_entropy_with_logits(resized(logits, masks), masks)


def iou_of_logits(logits: Tensor, masks: Tensor) -> Tensor:
    """Compute 1 minus the soft IoU, averaged over pictures, of logits resized to the size of the masks."""
    x = resized(logits, masks).sigmoid()
    both, either = (x * masks).sum((1, 2, 3)), (x + masks - x * masks).sum((1, 2, 3))
    return (1 - (both + 1) / (either + 1)).mean()


def plain(logits: Sequence[Tensor], masks: Tensor) -> Tensor:
    """Sum cross entropy and IoU over logits: the loss of methods whose own loss is not published."""
    return sum(bce_of_logits(x, masks) + iou_of_logits(x, masks) for x in logits)


def structure(logits: Tensor, masks: Tensor, smooth: float = 1.0) -> Tensor:
    """Compute the loss of F3Net (Wei et al., AAAI 2020): weighted cross entropy and IoU of logits.

    `smooth` is added to intersection and union.
    """
    weight = edge_weight(masks)
    entropy = functional.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    x = logits.sigmoid()
    both, sum_ = (weight * x * masks).sum((2, 3)), (weight * (x + masks)).sum((2, 3))
    return ((weight * entropy).sum((2, 3)) / weight.sum((2, 3)) + 1 - (both + smooth) / (sum_ - both + smooth)).mean()


def edge_weight(masks: Tensor) -> Tensor:
    """Weight pixels from 1 to 6 by how far they differ from the mean of the 31 x 31 around them, padded with 0."""
    return 1 + 5 * (functional.avg_pool2d(masks, 31, 1, 15) - masks).abs()


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Compute the mean structural similarity (Wang et al., 2004) in [0, 1]: Gaussian of 11 pixels, sigma 1.5."""
    row = torch.exp(-(torch.arange(-5, 6).to(x) ** 2) / (2 * 1.5**2))
    kernel = (row[:, None] * row / row.sum() ** 2)[None, None]
    planes = torch.cat((x, y, x * x, y * y, x * y), 1).flatten(0, 1)[:, None]
    means = functional.conv2d(planes, kernel, padding=5).view(len(x), 5, 1, *x.shape[2:])
    mx, my, mxx, myy, mxy = means.unbind(1)
    similarity = (2 * mx * my + 0.01**2) * (2 * (mxy - mx * my) + 0.03**2)
    return (similarity / ((mx**2 + my**2 + 0.01**2) * (mxx - mx**2 + myy - my**2 + 0.03**2))).mean()


def resized(x: Tensor, like: Tensor) -> Tensor:
    """Resize (b, c, h, w) to the height and width of another tensor, bilinearly."""
    size = like.shape[-2:]
    return x if x.shape[-2:] == size else functional.interpolate(x, size, mode="bilinear", align_corners=False)


def _like(masks: Tensor, x: Tensor) -> Tensor:
    return masks if masks.shape == x.shape else functional.interpolate(masks, x.shape[-2:], mode="area")
