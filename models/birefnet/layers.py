"""What BiRefNet's decoder is made of, under the names of its checkpoints."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts.deform import deform_conv2d

INNER = 64  # channels within every block
BRANCH = 256  # channels of each branch of a block's attention


class Block(nn.Module):
    """(b, into, h, w) -> (b, out, h, w): BasicDecBlk, two convolutions around what sees several sizes at once."""

    def __init__(self, into: int, out: int):
        super().__init__()
        self.conv_in = nn.Conv2d(into, INNER, 3, padding=1)
        self.bn_in = nn.BatchNorm2d(INNER)
        self.dec_att = Pyramid()
        self.conv_out = nn.Conv2d(INNER, out, 3, padding=1)
        self.bn_out = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn_in(self.conv_in(x)).relu()
        return self.bn_out(self.conv_out(self.dec_att(x)))


class Pyramid(nn.Module):
    """ASPPDeformable: deformable convolutions of 1, 1, 3 and 7 pixels and the mean of all, joined."""

    def __init__(self):
        super().__init__()
        self.aspp1 = Branch(1)
        self.aspp_deforms = nn.ModuleList(Branch(size) for size in (1, 3, 7))
        self.global_avg_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(INNER, BRANCH, 1, bias=False), nn.BatchNorm2d(BRANCH), nn.ReLU()
        )
        self.conv1 = nn.Conv2d(5 * BRANCH, INNER, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(INNER)

    def forward(self, x: Tensor) -> Tensor:
        branches = [branch(x) for branch in (self.aspp1, *self.aspp_deforms)]
        everywhere = self.global_avg_pool(x).expand(-1, -1, *x.shape[2:])
        return self.bn1(self.conv1(torch.cat((*branches, everywhere), 1))).relu()


class Branch(nn.Module):
    def __init__(self, size: int):
        super().__init__()
        self.atrous_conv = Deformable(size)
        self.bn = nn.BatchNorm2d(BRANCH)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.atrous_conv(x)).relu()


class Deformable(nn.Module):
    """A convolution whose taps are moved and weighed, from 0 to 2, by convolutions of the same size."""

    def __init__(self, size: int):
        super().__init__()
        taps, padding = size**2, size // 2
        self.offset_conv = nn.Conv2d(INNER, 2 * taps, size, padding=padding)
        self.modulator_conv = nn.Conv2d(INNER, taps, size, padding=padding)
        self.regular_conv = nn.Conv2d(INNER, BRANCH, size, padding=padding, bias=False)
        for conv in (self.offset_conv, self.modulator_conv):  # a plain convolution at first
            nn.init.zeros_(conv.weight)
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        return deform_conv2d(x, self.offset_conv(x), 2 * self.modulator_conv(x).sigmoid(), self.regular_conv.weight)


class Lateral(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def patch_reader(into: int, out: int) -> nn.Sequential:
    """SimpleConvs: two convolutions with nothing between."""
    layers = {"conv1": nn.Conv2d(into, INNER, 3, padding=1), "conv_out": nn.Conv2d(INNER, out, 3, padding=1)}
    return nn.Sequential(OrderedDict(layers))


def resized(x: Tensor, like: Tensor) -> Tensor:
    size = like.shape[-2:]
    return x if x.shape[-2:] == size else functional.interpolate(x, size, mode="bilinear", align_corners=True)
