"""ResNet-18, 34 and 50 (He et al., CVPR 2016) without a classifier, under torchvision's names.

Baselines differ in the stem, in dilation and in how pooling rounds. A subclass may override `entry` for another stem.
"""

from collections.abc import Sequence

from torch import Tensor, nn

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
WIDTHS = (64, 128, 256, 512)


class ResNet(nn.Module):
    """(b, 3, h, w) -> features of the stem and of the four stages, at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size.

    Args:
        strides: stride of each stage.
        dilations: for each stage one number per block, for the block's first 3x3 convolution. None: 1 throughout.
        stem: output channels of `conv1`, which a subclass may replace by any module that halves the size.
    """

    # Prefixes of tensor names, for `backbones`.
    surplus: tuple[str, ...] = ("fc.",)  # only in published files
    added: tuple[str, ...] = ()  # missing in published files
    replaced: tuple[str, ...] = ()  # of another shape or kind than torchvision's

    def __init__(
        self,
        depth: int,
        strides: Sequence[int] = (1, 2, 2, 2),
        dilations: Sequence[Sequence[int]] | None = None,
        stem: int = 64,
        ceil_mode: bool = False,
    ):
        super().__init__()
        block = Bottleneck if depth >= 50 else Basic
        self.channels = (stem, *(width * block.expansion for width in WIDTHS))
        self.conv1 = nn.Conv2d(3, stem, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1, ceil_mode=ceil_mode)
        dilations = dilations or [(1,) * count for count in BLOCKS[depth]]
        for index, (width, stride) in enumerate(zip(WIDTHS, strides, strict=True)):
            into = self.channels[index]
            blocks = []
            for dilation in dilations[index]:
                blocks.append(block(into, width, 1 if blocks else stride, dilation))
                into = width * block.expansion
            self.add_module(f"layer{index + 1}", nn.Sequential(*blocks))

    def entry(self, x: Tensor) -> Tensor:
        """(b, 3, h, w) -> the stem's features (b, stem, h/2, w/2)."""
        return self.relu(self.bn1(self.conv1(x)))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(b, 3, h, w) -> five features (b, c, h', w'), finest first."""
        features = [self.entry(x)]
        x = self.maxpool(features[0])
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            features.append(x)
        return features


class Basic(nn.Module):
    """Two 3x3 convolutions; the second is never dilated."""

    expansion = 1

    def __init__(self, into: int, width: int, stride: int, dilation: int):
        super().__init__()
        self.conv1 = nn.Conv2d(into, width, 3, stride, dilation, dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(into, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(b, into, h, w) -> (b, width, h / stride, w / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, with the stride in the middle as in torchvision."""

    expansion = 4

    def __init__(self, into: int, width: int, stride: int, dilation: int):
        super().__init__()
        out = width * self.expansion
        self.conv1 = nn.Conv2d(into, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(into, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(b, into, h, w) -> (b, 4 * width, h / stride, w / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def _shortcut(into: int, out: int, stride: int) -> nn.Module | None:
    if stride == 1 and into == out:
        return None
    return nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))
