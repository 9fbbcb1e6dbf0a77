"""Doubling by nearest neighbours and the convolution after it, in one step."""

from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional


def double_and_convolve(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """Double (b, c, h, w) by nearest neighbours, and convolve by 3 x 3 with a margin of 1: (b, c', 2h, 2w).

    Doubling repeats a pixel 2 x 2, so the convolution multiplies some pixels more than once. A transposed convolution
    of 4 x 4 with the sums of those weights needs 4 products instead of 9. It rounds differently, so it is for
    predictions only, and for CPUs only, where it was measured.
    """
    if x.device.type != "cpu" or torch.is_grad_enabled():
        return conv(functional.interpolate(x, scale_factor=2))
    kernel = conv.weight.flip(2, 3).transpose(0, 1)
    spread = sum(functional.pad(kernel, (dx, 1 - dx, dy, 1 - dy)) for dx, dy in product((0, 1), repeat=2))
    return functional.conv_transpose2d(x, spread, conv.bias, stride=2, padding=1)
