"""Modulated deformable convolution as its paper states it, corner by corner: slow and plain."""

import torch
from torch import Tensor


def deform_conv2d(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """sum over taps k of w_k * x(p + p_k + offset_k(p)) * mask_k(p), x bilinear and 0 outside; stride 1, same size."""
    b, _, h, w = x.shape
    size = weight.shape[-1]
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    answer = x.new_zeros(b, len(weight), h, w)
    for tap in range(size * size):
        i, j = divmod(tap, size)
        y = rows + i - size // 2 + offset[:, 2 * tap]
        z = columns + j - size // 2 + offset[:, 2 * tap + 1]
        for corner_y in (y.floor(), y.floor() + 1):
            for corner_z in (z.floor(), z.floor() + 1):
                share = (1 - (y - corner_y).abs()) * (1 - (z - corner_z).abs()) * mask[:, tap]
                inside = (corner_y >= 0) & (corner_y < h) & (corner_z >= 0) & (corner_z < w)
                at = (corner_y.clamp(0, h - 1) * w + corner_z.clamp(0, w - 1)).long()
                values = x.flatten(2).gather(2, at.flatten(1)[:, None].expand(-1, x.shape[1], -1)).view_as(x)
                answer += torch.einsum("oc,bchw->bohw", weight[:, :, i, j], values * (share * inside)[:, None])
    return answer
