"""IS-Net and its ground-truth encoder (Qin et al., ECCV 2022), key-compatible with the authors' checkpoints.

Both are stages of U-shaped blocks (RSU, of U2-Net) with a map at the side of each stage.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

Stages = tuple[tuple[int, bool, int, int], ...]
# For each stage: depth of its block, whether it dilates instead of pooling, inner and output channels.
LAST = (4, True, 256, 512)
ISNET = ((7, False, 32, 64), (6, False, 32, 128), (5, False, 64, 256), (4, False, 128, 512), LAST, LAST)
DECODER = ((7, False, 16, 64), (6, False, 32, 64), (5, False, 64, 128), (4, False, 128, 256), LAST)
TRUTH = ((7, False, 16, 64), (6, False, 16, 64), (5, False, 32, 128), (4, False, 32, 256)) + ((4, True, 64, 512),) * 2


class RSU(nn.Module):
    """A small U-Net around a residual connection.

    `depth` is the number of levels; the last one dilates by 2. `dilated`: levels dilate by 1, 2, 4 and 8 instead of
    pooling.
    """

    def __init__(self, into: int, depth: int, dilated: bool, inner: int, out: int):
        super().__init__()
        self.depth, self.dilated = depth, dilated
        dilations = [2**level for level in range(depth)] if dilated else [1] * (depth - 1) + [2]
        self.rebnconvin = _convolution(into, out)
        for level, dilation in enumerate(dilations, 1):
            width = out if level == 1 else inner
            self.add_module(f"rebnconv{level}", _convolution(width, inner, dilation))
            if level < depth:
                self.add_module(f"rebnconv{level}d", _convolution(2 * inner, width, dilation))

    def forward(self, x: Tensor) -> Tensor:
        """(b, into, h, w) -> (b, out, h, w)."""
        x = self.rebnconvin(x)
        y, passed = x, []
        for level in range(1, self.depth + 1):
            if 1 < level < self.depth and not self.dilated:
                y = _halve(y)
            y = self.get_submodule(f"rebnconv{level}")(y)
            passed.append(y)
        passed.pop()
        for level in range(self.depth - 1, 0, -1):
            skip = passed.pop()
            y = self.get_submodule(f"rebnconv{level}d")(torch.cat((_resize_like(y, skip), skip), 1))
        return x + y if torch.is_grad_enabled() else x.add_(y)  # in place, but not what a gradient needs


class ISNet(nn.Module):
    """(b, 3, h, w), normalised, of any size -> six maps (b, 1, h, w) in [0, 1], finest first, and their features.

    The first map is the prediction; the others are for training.
    """

    def __init__(self):
        super().__init__()
        self.conv_in = nn.Conv2d(3, 64, 3, stride=2, padding=1)
        add_stages(self, 64, ISNET)
        add_decoder(self, ISNET, DECODER)
        add_sides(self, [stage[-1] for stage in (*DECODER, ISNET[-1])])

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """(b, 3, h, w) -> six maps (b, 1, h, w) in [0, 1], and six features (b, c, h', w'), finest first."""
        features = run_decoder(self, run_stages(self, self.conv_in(x)))
        return [logits.sigmoid() for logits in run_sides(self, features, x)], features


class TruthEncoder(nn.Module):
    """Encode the ground truth as the features that IS-Net learns, and decode it to six maps again."""

    def __init__(self):
        super().__init__()
        self.conv_in = _convolution(1, 16, stride=2, suffix="")
        add_stages(self, 16, TRUTH)
        add_sides(self, [stage[-1] for stage in TRUTH])

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """(b, 1, h, w) in [0, 1] -> six maps (b, 1, h, w) in [0, 1], and six features (b, c, h', w'), finest first."""
        features = run_stages(self, self.conv_in(x))
        return [logits.sigmoid() for logits in run_sides(self, features, x)], features


def _convolution(into: int, out: int, dilation: int = 1, stride: int = 1, suffix: str = "_s1") -> nn.Sequential:
    convolution = nn.Conv2d(into, out, 3, stride, padding=dilation, dilation=dilation)
    layers = (("conv", convolution), ("bn", nn.BatchNorm2d(out)), ("relu", nn.ReLU(inplace=True)))
    return nn.Sequential(OrderedDict((name + suffix, layer) for name, layer in layers))


def add_stages(net: nn.Module, into: int, stages: Stages) -> None:
    """Add `stage1` to `stage6`, the encoder of `into` input channels."""
    for level, stage in enumerate(stages, 1):
        net.add_module(f"stage{level}", RSU(into, *stage))
        into = stage[-1]


def add_decoder(net: nn.Module, encoder: Stages, decoder: Stages) -> None:
    """Add `stage5d` to `stage1d`, each fed by the encoder's stage of its level and the decoder stage below."""
    below = encoder[-1][-1]
    for level in range(5, 0, -1):
        net.add_module(f"stage{level}d", RSU(encoder[level - 1][-1] + below, *decoder[level - 1]))
        below = decoder[level - 1][-1]


def add_sides(net: nn.Module, channels: list[int]) -> None:
    """Add `side1` to `side6`, which make logits from features."""
    for level, into in enumerate(channels, 1):
        net.add_module(f"side{level}", nn.Conv2d(into, 1, 3, padding=1))


def run_stages(net: nn.Module, x: Tensor) -> list[Tensor]:
    """Encode the first stage's input to six features, finest first."""
    features = [net.stage1(x)]
    for level in range(2, 7):
        features.append(net.get_submodule(f"stage{level}")(_halve(features[-1])))
    return features


def run_decoder(net: nn.Module, encoded: list[Tensor]) -> list[Tensor]:
    """Decode six features; the coarsest is returned as it is."""
    *skips, deepest = encoded
    features = [deepest]
    for level in range(5, 0, -1):
        skip = skips[level - 1]
        joined = torch.cat((_resize_like(features[0], skip), skip), 1)
        features.insert(0, net.get_submodule(f"stage{level}d")(joined))
    return features


def run_sides(net: nn.Module, features: list[Tensor], image: Tensor) -> list[Tensor]:
    """Return logits (b, 1, h, w) of each feature at the size of the image."""
    maps = (net.get_submodule(f"side{level}")(feature) for level, feature in enumerate(features, 1))
    return [_resize_like(x, image) for x in maps]


def _halve(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 2, ceil_mode=True)


def _resize_like(x: Tensor, like: Tensor) -> Tensor:
    size = like.shape[-2:]
    return x if x.shape[-2:] == size else functional.interpolate(x, size, mode="bilinear", align_corners=False)
