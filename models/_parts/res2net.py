"""Res2Net-50 v1b, 26w 4s (Gao et al., TPAMI 2021), under its authors' names: a deep stem, pooled shortcuts.

A block splits its channels into four parts; all but the last are convolved, each with the one before added to it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

BLOCKS = (3, 4, 6, 3)
WIDTHS = (64, 128, 256, 512)
EXPANSION = 4
SCALE = 4
PLAIN = tuple((1,) * count for count in BLOCKS)


class Res2Net(nn.Module):
    """(b, 3, h, w) -> the pooled stem and the four stages, at 1/4, 1/4, 1/8, 1/16 and 1/32.

    dilations: for each stage one number per block, of all its 3x3 convolutions. Without a classifier.
    """

    channels = (64, *(width * EXPANSION for width in WIDTHS))
    surplus, drawn, own = ("fc.",), (), ()  # as in ResNet

    def __init__(self, dilations: Sequence[Sequence[int]] = PLAIN):
        super().__init__()
        self.conv1 = nn.Sequential(*_layer(3, 32, 2), *_layer(32, 32), nn.Conv2d(32, 64, 3, padding=1, bias=False))
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for index, width in enumerate(WIDTHS):
            into, stride = self.channels[index], 1 if index == 0 else 2
            blocks = [Block(into, width, stride, dilations[index][0], first=True)]
            blocks += [Block(width * EXPANSION, width, 1, dilation) for dilation in dilations[index][1:]]
            self.add_module(f"layer{index + 1}", nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> list[Tensor]:
        features = [self.maxpool(self.relu(self.bn1(self.conv1(x))))]
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            features.append(stage(features[-1]))
        return features


class Block(nn.Module):
    """1x1, the parts' 3x3, 1x1. The first of a stage adds no part to another, and pools the last."""

    def __init__(self, into: int, width: int, stride: int, dilation: int, first: bool = False):
        super().__init__()
        self.first, self.part, out = first, width * 26 // 64, width * EXPANSION
        self.conv1 = nn.Conv2d(into, self.part * SCALE, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(self.part * SCALE)
        self.convs = nn.ModuleList(
            nn.Conv2d(self.part, self.part, 3, stride, dilation, dilation, bias=False) for _ in range(SCALE - 1)
        )
        self.bns = nn.ModuleList(nn.BatchNorm2d(self.part) for _ in range(SCALE - 1))
        self.pool = nn.AvgPool2d(3, stride, 1) if first else nn.Identity()
        self.conv3 = nn.Conv2d(self.part * SCALE, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(into, out, stride) if first else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        *parts, last = self.relu(self.bn1(self.conv1(x))).split(self.part, 1)
        done = []
        for part, convolution, norm in zip(parts, self.convs, self.bns, strict=True):
            y = part if self.first or not done else done[-1] + part
            done.append(self.relu(norm(convolution(y))))
        y = self.bn3(self.conv3(torch.cat((*done, self.pool(last)), 1)))
        return self.relu(y + self.downsample(x))


def _layer(into: int, out: int, stride: int = 1) -> tuple[nn.Module, ...]:
    return nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)


def _shortcut(into: int, out: int, stride: int) -> nn.Sequential:
    pool = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)
    return nn.Sequential(pool, nn.Conv2d(into, out, 1, bias=False), nn.BatchNorm2d(out))
