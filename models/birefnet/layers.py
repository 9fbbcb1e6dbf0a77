"""Layers of BiRefNet's decoder, under the names in its checkpoints."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts.deform import deform_conv2d

INNER = 64  # channels inside every block
BRANCH = 256  # channels of each branch of a block's attention


class Block(nn.Module):
    """BasicDecBlk: two convolutions around attention of several sizes."""

    def __init__(self, into: int, out: int):
        super().__init__()
        self.conv_in = nn.Conv2d(into, INNER, 3, padding=1)
        self.bn_in = nn.BatchNorm2d(INNER)
        self.dec_att = Pyramid()
        self.conv_out = nn.Conv2d(INNER, out, 3, padding=1)
        self.bn_out = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        """(b, into, h, w) -> (b, out, h, w)."""
        x = self.bn_in(self.conv_in(x)).relu()
        return self.bn_out(self.conv_out(self.dec_att(x)))


class Pyramid(nn.Module):
    """ASPPDeformable: deformable convolutions of 1, 1, 3 and 7 pixels and the mean over all pixels, concatenated."""

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
        """(b, 64, h, w) -> (b, 64, h, w)."""
        branches = [branch(x) for branch in (self.aspp1, *self.aspp_deforms)]
        mean = self.global_avg_pool(x).expand(-1, -1, *x.shape[2:])
        return self.bn1(self.conv1(torch.cat((*branches, mean), 1))).relu()


class Branch(nn.Module):
    """A deformable convolution with norm and ReLU."""

    def __init__(self, size: int):
        super().__init__()
        self.atrous_conv = Deformable(size)
        self.bn = nn.BatchNorm2d(BRANCH)

    def forward(self, x: Tensor) -> Tensor:
        """(b, 64, h, w) -> (b, 256, h, w)."""
        return self.bn(self.atrous_conv(x)).relu()


class Deformable(nn.Module):
    """A convolution whose taps are moved, and weighted from 0 to 2, by convolutions of the same size."""

    def __init__(self, size: int):
        super().__init__()
        taps, padding = size**2, size // 2
        self.offset_conv = nn.Conv2d(INNER, 2 * taps, size, padding=padding)
        self.modulator_conv = nn.Conv2d(INNER, taps, size, padding=padding)
        self.regular_conv = nn.Conv2d(INNER, BRANCH, size, padding=padding, bias=False)
        for conv in (self.offset_conv, self.modulator_conv):  # training starts from a plain convolution
            nn.init.zeros_(conv.weight)
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(b, 64, h, w) -> (b, 256, h, w)."""
        return deform_conv2d(x, self.offset_conv(x), 2 * self.modulator_conv(x).sigmoid(), self.regular_conv.weight)


class Lateral(nn.Module):
    """A 1x1 convolution under the authors' name."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, h, w)."""
        return self.conv(x)


def make_patch_reader(into: int, out: int) -> nn.Sequential:
    """Build SimpleConvs: two convolutions without an activation between them."""
    layers = {"conv1": nn.Conv2d(into, INNER, 3, padding=1), "conv_out": nn.Conv2d(INNER, out, 3, padding=1)}
    return nn.Sequential(OrderedDict(layers))


def resize_like(x: Tensor, like: Tensor) -> Tensor:
    """Resize bilinearly, with aligned corners, to the size of `like`."""
    size = like.shape[-2:]
    return x if x.shape[-2:] == size else functional.interpolate(x, size, mode="bilinear", align_corners=True)
