"""Res2Net-50 v1b, 26w 4s (Gao et al., TPAMI 2021), under its authors' names: a deep stem and pooled shortcuts.

A block splits its channels into four groups. All but the last are convolved, each after the previous result is added.
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
    """(b, 3, h, w) -> features of the pooled stem and of the four stages, at 1/4, 1/4, 1/8, 1/16 and 1/32 of the size.

    dilations: for each stage one number per block, for all its 3x3 convolutions. There is no classifier.
    """

    channels = (64, *(width * EXPANSION for width in WIDTHS))
    surplus, added, replaced = ("fc.",), (), ()  # as in ResNet

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
        """(b, 3, h, w) -> five features (b, c, h', w'), finest first."""
        features = [self.maxpool(self.relu(self.bn1(self.conv1(x))))]
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            features.append(stage(features[-1]))
        return features


class Block(nn.Module):
    """1x1, grouped 3x3 and 1x1 convolutions.

    The first block of a stage adds no group to the next one, and pools the last group.
    """

    def __init__(self, into: int, width: int, stride: int, dilation: int, *, first: bool = False):
        super().__init__()
        self.first, self.group_width, out = first, width * 26 // 64, width * EXPANSION
        self.conv1 = nn.Conv2d(into, self.group_width * SCALE, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(self.group_width * SCALE)
        self.convs = nn.ModuleList(
            nn.Conv2d(self.group_width, self.group_width, 3, stride, dilation, dilation, bias=False)
            for _ in range(SCALE - 1)
        )
        self.bns = nn.ModuleList(nn.BatchNorm2d(self.group_width) for _ in range(SCALE - 1))
        self.pool = nn.AvgPool2d(3, stride, 1) if first else nn.Identity()
        self.conv3 = nn.Conv2d(self.group_width * SCALE, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(into, out, stride) if first else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(b, into, h, w) -> (b, 4 * width, h / stride, w / stride)."""
        *groups, last = self.relu(self.bn1(self.conv1(x))).split(self.group_width, 1)
        outputs = []
        for group, convolution, norm in zip(groups, self.convs, self.bns, strict=True):
            y = group if self.first or not outputs else outputs[-1] + group
            outputs.append(self.relu(norm(convolution(y))))
        y = self.bn3(self.conv3(torch.cat((*outputs, self.pool(last)), 1)))
        return self.relu(y + self.downsample(x))


def _layer(into: int, out: int, stride: int = 1) -> tuple[nn.Module, ...]:
    return nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)


def _shortcut(into: int, out: int, stride: int) -> nn.Sequential:
    pool = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)
    return nn.Sequential(pool, nn.Conv2d(into, out, 1, bias=False), nn.BatchNorm2d(out))
