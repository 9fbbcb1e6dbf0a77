"""A network after the abstract of FP-DIS (Zhou et al., IJCAI 2023): unofficial, held to nothing that they published.

Theirs, as the abstract says it: a generator of frequency priors with a fixed filter and learnable ones; side-out
features of several scales, harmonised by gates on groups of channels; priors embedded into features of every scale by
an adaptive modulation. Ours, since it says no more: the cosine transform, where the fixed filter cuts, three learnable
filters by radius, the ResNet-50, 64 channels in four groups, gates between neighbouring scales, scale and shift, and
the decoder.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts.resnet import ResNet

WIDTH = 64
GROUPS = 4
FILTERS = 3  # learnable
KNOTS = 17  # of each one's response, from the mean of the image to its finest waves
CUT = 1 / 16  # cycles per pixel: the fixed filter drops waves longer than 16 pixels
FINEST = math.sqrt(0.5)  # cycles per pixel, along the diagonal


class FPDIS(nn.Module):
    """(b, 3, h, w), normalised, of any size -> four logits (b, 1, h, w), finest first.

    The first is the prediction; the others are there for training.
    """

    def __init__(self):
        super().__init__()
        self.backbone = ResNet(50)
        channels = self.backbone.channels[1:]
        self.sides = nn.ModuleList(_layer(into, WIDTH, 1) for into in channels)
        self.generator = Generator()
        self.entry = _layer(3 * (1 + FILTERS), WIDTH, 3, 2)
        self.priors = nn.ModuleList(_layer(WIDTH, WIDTH, 3, 2) for _ in channels)
        self.harmonisation = nn.ModuleList(Harmonisation() for _ in channels)
        self.embedding = nn.ModuleList(Embedding() for _ in channels)
        self.merging = nn.ModuleList(_layer(WIDTH, WIDTH) for _ in channels)
        self.heads = nn.ModuleList(nn.Conv2d(WIDTH, 1, 3, padding=1) for _ in channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        sides = [side(y) for side, y in zip(self.sides, self.backbone(x)[1:], strict=True)]
        neighbours = (*sides[1:], sides[-2])
        prior = self.entry(self.generator(x))
        features = []
        for level, side in enumerate(sides):
            prior = self.priors[level](prior)
            y = self.harmonisation[level](side, resized(neighbours[level], side))
            features.append(self.embedding[level](y, prior))
        logits: list[Tensor] = []
        y = torch.zeros_like(features[-1])
        for level in (3, 2, 1, 0):
            y = self.merging[level](features[level] + resized(y, features[level]))
            logits.insert(0, resized(self.heads[level](y), x))
        return logits


class Generator(nn.Module):
    """(b, 3, h, w) -> priors (b, 12, h, w): the image through the fixed filter, and each of three learnable ones.

    Filters weigh the coefficients of the image's cosine transform by their frequency: the fixed one by 0 below CUT and
    by 1 from there on, a learnable one by values in (-1, 1) at KNOTS radii, linear between. So they fit any size.
    """

    def __init__(self):
        super().__init__()
        self.knots = nn.Parameter(0.1 * torch.randn(FILTERS, KNOTS))

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (_cosines(side, x.device) for side in x.shape[-2:])
        radii = frequencies(*x.shape[-2:]).to(x.device)
        responses = torch.cat(((radii >= CUT).to(x)[None], self.learned(radii)))[:, None]
        spectrum = (rows @ x @ columns.mT)[:, None] * responses
        return (rows.mT @ spectrum @ columns).flatten(1, 2)

    def learned(self, radii: Tensor) -> Tensor:
        """(h, w) -> (FILTERS, h, w)."""
        at = radii / FINEST * (KNOTS - 1)
        low = at.long().clamp(max=KNOTS - 2)
        values, along = self.knots.tanh(), at - low
        return values[:, low] * (1 - along) + values[:, low + 1] * along


class Harmonisation(nn.Module):
    """A side-out feature and its neighbour's, (b, 64, h, w) -> the same: groups of channels, each mixed by a gate."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Conv2d(2 * WIDTH, GROUPS, 1)
        self.after = _layer(WIDTH, WIDTH)

    def forward(self, own: Tensor, other: Tensor) -> Tensor:
        gate = self.gate(torch.cat((own, other), 1)).sigmoid()[:, :, None]
        own, other = (x.unflatten(1, (GROUPS, -1)) for x in (own, other))
        return self.after((gate * own + (1 - gate) * other).flatten(1, 2))


class Embedding(nn.Module):
    """A feature and a prior, (b, 64, h, w) -> the feature, scaled and shifted as the prior says at each place."""

    def __init__(self):
        super().__init__()
        self.shared = _layer(WIDTH, WIDTH)
        self.scale, self.shift = (nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor, prior: Tensor) -> Tensor:
        prior = self.shared(prior)
        return x * (1 + self.scale(prior)) + self.shift(prior)


def frequencies(h: int, w: int) -> Tensor:
    """Of each coefficient (h, w) of a cosine transform: cycles per pixel, from 0 to less than FINEST."""
    y, x = (torch.arange(side) / (2 * side) for side in (h, w))
    return torch.hypot(y[:, None], x)


def resized(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


@lru_cache(maxsize=8)
@torch.inference_mode(False)  # what is kept serves training as well
def _cosines(n: int, device: torch.device) -> Tensor:
    """The orthonormal cosine transform (DCT-II) of n values, float32 (n, n): coefficients by values."""
    k = torch.arange(n, dtype=torch.float64)
    matrix = (math.pi / n * k[:, None] * (k + 0.5)).cos() * math.sqrt(2 / n)
    matrix[0] /= math.sqrt(2)
    return matrix.float().to(device)


def _layer(into: int, out: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(into, out, size, stride, size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU(inplace=True))
