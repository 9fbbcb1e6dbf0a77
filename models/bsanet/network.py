"""BSA-Net, the boundary-guided separated attention network (Zhu et al., AAAI 2022), under its checkpoints' names.

The authors' code has no licence. This is rebuilt from the paper, from the names in their checkpoints and from the
outputs of their layers. Layers that no output depends on are omitted, see UNUSED.
"""

import re
from collections import OrderedDict
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts.group_norm import GroupNorm
from disbench.models._parts.res2net import Res2Net

WIDTH = 64
UNUSED = re.compile(
    r"(backbone\.fc|agg|conv\d|linearrr\d|msca4|ra11_conv|r?ra1_conv|refra\d_conv|upsample\d_conv|fusion\d\.conv_upsample)\."
)


class Maps(NamedTuple):
    """Logits (b, 1, h, w), finest level first. `refined[0]` is the prediction; the others are for training.

    A refined map is the sum of the maps of its level and of all coarser levels. For the two middle levels this is
    inferred.
    """

    refined: list[Tensor]
    coarse: list[Tensor]
    edge: Tensor


class BSANet(nn.Module):
    """(b, 3, h, w), normalised, sides multiples of 32 -> Maps.

    Levels 1 to 4 are the backbone's stages. Attention layers are named by the level below, whose background they start
    from: `ra41_conv` finds the object at level 3.
    """

    def __init__(self):
        super().__init__()
        self.backbone = Res2Net()
        for level, into in enumerate(self.backbone.channels[1:], 1):
            self.add_module(f"edge_conv{level}", Layer(into, WIDTH))
            self.add_module(f"RME{level}", Context(into))
            self.add_module(f"SA{level}", ShuffleAttention(WIDTH))
        self.edge_conv_cat = Layer(4 * WIDTH, WIDTH)
        self.edge_linear = _map_head()
        for level in range(1, 4):
            self.add_module(f"ra{level + 1}1_conv", Layer(WIDTH, 1))
            self.add_module(f"ra{level + 1}_conv", Layer(WIDTH, WIDTH))
            self.add_module(f"rra{level + 1}_conv", Layer(WIDTH, WIDTH))
            self.add_module(f"msca{level}", ChannelAttention(WIDTH))
            self.add_module(f"fusion{level}", Fusion())
        for index in range(1, 8):
            self.add_module(f"spade{index}", Guide(WIDTH))
        for index in range(1, 9):
            self.add_module(f"linearr{index}", _map_head())

    def forward(self, x: Tensor) -> Maps:
        """(b, 3, h, w) -> Maps of logits (b, 1, h, w)."""
        features = self.backbone(x)[1:]
        edge = self._edge(features)
        context = [self.get_submodule(f"RME{level}")(feature) for level, feature in enumerate(features, 1)]
        streams, coarse = self._separate(context)
        refined = self._refine(streams, context[3], edge)
        size = x.shape[-2:]
        return Maps([_resized(y, size) for y in refined], [_resized(y, size) for y in coarse], _resized(edge, size))

    def _edge(self, features: list[Tensor]) -> Tensor:
        edges = [self.get_submodule(f"edge_conv{level}")(feature) for level, feature in enumerate(features, 1)]
        size = edges[0].shape[-2:]
        edges[1:] = [functional.interpolate(y, size, mode="bilinear", align_corners=True) for y in edges[1:]]
        return self.edge_linear(self.edge_conv_cat(torch.cat(edges, 1)))

    def _separate(self, context: list[Tensor]) -> tuple[dict[int, tuple[Tensor, Tensor]], list[Tensor]]:
        """Return background and foreground features at levels 3, 2 and 1, and the coarse maps."""
        background, streams = context[3], {}
        coarse = [self.linearr4(background)]
        for level in (3, 2, 1):
            feature = context[level - 1]
            objectness = self.get_submodule(f"ra{level + 1}1_conv")(_resized(background, feature.shape[-2:])).sigmoid()
            background = self.get_submodule(f"ra{level + 1}_conv")((1 - objectness) * feature)
            streams[level] = background, self.get_submodule(f"rra{level + 1}_conv")(objectness * feature)
            coarse.insert(0, self.get_submodule(f"linearr{level}")(background))
        return streams, coarse

    def _refine(self, streams: dict[int, tuple[Tensor, Tensor]], deepest: Tensor, edge: Tensor) -> list[Tensor]:
        """Return the refined maps: all levels at the finest size, guided by the edge, fused from coarse to fine."""
        size = edge.shape[-2:]
        fused = self.SA4(self.spade4(_resized(deepest, size), edge))
        refined = [self.linearr8(fused)]
        for level in (3, 2, 1):
            background, foreground = (_resized(stream, size) for stream in streams[level])
            weight = self.get_submodule(f"msca{level}")(background + foreground)
            background = self.get_submodule(f"spade{level}")(weight * background, edge)
            foreground = self.get_submodule(f"spade{level + 4}")((1 - weight) * foreground, edge)
            attended = self.get_submodule(f"SA{level}")(background + foreground)
            fused = self.get_submodule(f"fusion{level}")(attended, fused)
            refined.insert(0, refined[0] + self.get_submodule(f"linearr{level + 4}")(fused))
        return refined


class Layer(nn.Sequential):
    """A convolution that keeps the size, with norm."""

    def __init__(self, into: int, out: int, size: tuple[int, int] = (3, 3)):
        convolution = nn.Conv2d(into, out, size, padding=(size[0] // 2, size[1] // 2), bias=False)
        super().__init__(OrderedDict(conv=convolution, bn=nn.BatchNorm2d(out)))


class Context(nn.Module):
    """Residual multi-scale feature extractor: four branches; each adds the previous result to the input."""

    def __init__(self, into: int):
        super().__init__()
        self.conv = nn.Conv2d(into, WIDTH, 1)
        self.branch0 = nn.Sequential(Layer(into, WIDTH, (1, 1)))
        for index in range(1, 5):
            first = Layer(into if index == 1 else WIDTH, WIDTH, (1, 1))
            branch = nn.Sequential(first, Layer(WIDTH, WIDTH, (1, 3)), Layer(WIDTH, WIDTH, (3, 1)))
            self.add_module(f"branch{index}", branch)
        self.conv_cat = nn.Conv2d(4 * WIDTH, WIDTH, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, into, h, w) -> (b, 64, h, w)."""
        narrow, branches = self.conv(x), [self.branch1(x)]
        for branch in (self.branch2, self.branch3, self.branch4):
            branches.append(branch(narrow + branches[-1]))
        return torch.relu(self.branch0(x) + self.conv_cat(torch.cat(branches, 1)))


class ChannelAttention(nn.Module):
    """MS-CAM (Dai et al., WACV 2021): a weight in (0, 1) per channel and pixel, from local and global features."""

    def __init__(self, width: int):
        super().__init__()
        self.local_att = nn.Sequential(*_bottleneck(width))
        self.global_att = nn.Sequential(nn.AdaptiveAvgPool2d(1), *_bottleneck(width))

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> weights (b, c, h, w)."""
        return (self.local_att(x) + self.global_att(x)).sigmoid()


class Guide(nn.Module):
    """Boundary guider: the edge scales and shifts normalised features (SPADE, Park et al., CVPR 2019)."""

    def __init__(self, width: int):
        super().__init__()
        self.param_free_norm = nn.BatchNorm2d(width, affine=False)
        self.mlp_shared = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(inplace=True))
        self.mlp_gamma = nn.Conv2d(width, width, 3, padding=1)
        self.mlp_beta = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor, edge: Tensor) -> Tensor:
        """(b, c, h, w) and edge logits (b, 1, h, w) -> (b, c, h, w)."""
        shared = self.mlp_shared(edge)
        return self.param_free_norm(x) * (1 + self.mlp_gamma(shared)) + self.mlp_beta(shared)


class ShuffleAttention(nn.Module):
    """SA-Net's unit (Zhang and Yang, ICASSP 2021): half of each group is gated by channel, half by pixel."""

    groups = 8

    def __init__(self, width: int):
        super().__init__()
        half = width // self.groups // 2
        self.cweight, self.sweight = (nn.Parameter(torch.zeros(1, half, 1, 1)) for _ in range(2))
        self.cbias, self.sbias = (nn.Parameter(torch.ones(1, half, 1, 1)) for _ in range(2))
        self.gn = GroupNorm(half, half)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, h, w)."""
        b, c, h, w = x.shape
        channels, places = x.reshape(b * self.groups, -1, h, w).chunk(2, 1)
        channels = channels * (self.cweight * channels.mean((2, 3), keepdim=True) + self.cbias).sigmoid()
        places = places * (self.sweight * self.gn(places) + self.sbias).sigmoid()
        shuffled = torch.cat((channels, places), 1).view(b, 2, c // 2, h, w).transpose(1, 2)
        return shuffled.reshape(b, c, h, w)


class Fusion(nn.Module):
    """Fuse the features of a level with the fused features of the coarser levels."""

    def __init__(self):
        super().__init__()
        self.cat_conv = Layer(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor, coarser: Tensor) -> Tensor:
        """Two features (b, 64, h, w) -> (b, 64, h, w)."""
        return torch.relu(self.cat_conv(torch.cat((x, x * coarser), 1)))


def drop_unused(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop the tensors that no output depends on from a checkpoint."""
    return {name: tensor for name, tensor in state.items() if not UNUSED.match(name)}


def _map_head() -> nn.Conv2d:
    return nn.Conv2d(WIDTH, 1, 3, padding=1)


def _bottleneck(width: int) -> tuple[nn.Module, ...]:
    narrow = width // 4
    first = (nn.Conv2d(width, narrow, 1), nn.BatchNorm2d(narrow), nn.ReLU(inplace=True))
    return *first, nn.Conv2d(narrow, width, 1), nn.BatchNorm2d(width)


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(x, size, mode="bilinear", align_corners=False)
