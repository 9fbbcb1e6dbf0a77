"""Modulated deformable convolution (DCNv2; Zhu et al., CVPR 2019): torchvision's kernel on CUDA, else plain torch.

On a CPU torchvision's takes longer, so that it is not asked there.
"""

import torch
from torch import Tensor
from torch.nn import functional

try:
    from torchvision.ops import deform_conv2d as compiled
except (ImportError, RuntimeError):  # RuntimeError: built for another torch than the one that is here
    compiled = None

SAMPLES = {"cpu": 1 << 20}  # floats at a time, which its cache holds
MANY = 1 << 26  # elsewhere, where each of more parts would be a launch


def deform_conv2d(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """A convolution of stride 1, padded to keep its size, each of whose taps is moved and weighed at each pixel.

    x: (b, c, h, w). offset: (b, 2 * taps, h, w), down and right for each tap in pixels. mask: (b, taps, h, w).
    weight: (out, c, k, k), k odd, taps = k * k by rows. Between pixels x is bilinear, around it 0. -> (b, out, h, w)
    """
    k = weight.shape[-1]
    if compiled and x.is_cuda:
        return compiled(x, offset, weight, padding=k // 2, mask=mask)
    b, c, h, w = x.shape
    steps = torch.arange(k, dtype=x.dtype, device=x.device) - k // 2
    down, right = offset.view(b, k * k, 2, h, w).unbind(2)
    y = down + steps.repeat_interleave(k)[:, None, None] + torch.arange(h, device=x.device)[:, None]
    x_ = right + steps.repeat(k)[:, None, None] + torch.arange(w, device=x.device)
    places = torch.stack((_unit(x_, w), _unit(y, h)), -1)
    rows = max(1, SAMPLES.get(x.device.type, MANY) // (b * c * k * k * w))
    parts = []
    for some, weights in zip(places.split(rows, 2), mask.split(rows, 2), strict=True):
        samples = functional.grid_sample(x, some.flatten(1, 2), align_corners=False)
        samples = samples.view(b, c, k * k, -1) * weights.flatten(2)[:, None]
        parts.append((weight.flatten(1) @ samples.flatten(1, 2)).unflatten(2, (-1, w)))
    return torch.cat(parts, 2)


def _unit(at: Tensor, length: int) -> Tensor:
    """Pixels -> [-1, 1] from the first's outer edge to the last's."""
    return (2 * at + 1) / length - 1
