"""A network after the abstract of FP-DIS (Zhou et al., IJCAI 2023). It is unofficial and verified against nothing.

The abstract specifies a generator of frequency priors with a fixed filter and learnable ones; side-out features of
several scales, harmonised by gates on groups of channels; and priors embedded into the features of every scale by
adaptive modulation. It leaves the rest open. Chosen here are the cosine transform, the cut of the fixed filter, three
learnable filters by radius, the ResNet-50, 64 channels in four groups, gates between neighbouring scales, scale and
shift as modulation, and the decoder.
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
KNOTS = 17  # of each filter's response, from the image's mean to its finest waves
CUT = 1 / 16  # cycles per pixel: the fixed filter drops waves longer than 16 pixels
FINEST = math.sqrt(0.5)  # cycles per pixel, along the diagonal


class FPDIS(nn.Module):
    """(b, 3, h, w), normalised, of any size -> four logits (b, 1, h, w), finest first.

    The first is the prediction; the others are for training.
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
        """(b, 3, h, w) -> four logits (b, 1, h, w), finest first."""
        sides = [side(y) for side, y in zip(self.sides, self.backbone(x)[1:], strict=True)]
        neighbours = (*sides[1:], sides[-2])
        prior = self.entry(self.generator(x))
        features = []
        for level, side in enumerate(sides):
            prior = self.priors[level](prior)
            y = self.harmonisation[level](side, resize_like(neighbours[level], side))
            features.append(self.embedding[level](y, prior))
        logits: list[Tensor] = []
        y = torch.zeros_like(features[-1])
        for level in (3, 2, 1, 0):
            y = self.merging[level](features[level] + resize_like(y, features[level]))
            logits.insert(0, resize_like(self.heads[level](y), x))
        return logits


class Generator(nn.Module):
    """Filter the image by one fixed and three learnable filters: (b, 3, h, w) -> priors (b, 12, h, w).

    A filter weights the coefficients of the image's cosine transform by their frequency. The fixed filter is 0 below
    CUT and 1 from there on. A learnable filter has values in (-1, 1) at KNOTS radii and is linear between them, so it
    fits any image size.
    """

    def __init__(self):
        super().__init__()
        self.knots = nn.Parameter(0.1 * torch.randn(FILTERS, KNOTS))

    def forward(self, x: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, 12, h, w)."""
        rows, columns = (_cosines(side, x.device) for side in x.shape[-2:])
        radii = frequencies(*x.shape[-2:]).to(x.device)
        responses = torch.cat(((radii >= CUT).to(x)[None], self.responses(radii)))[:, None]
        spectrum = (rows @ x @ columns.mT)[:, None] * responses
        return (rows.mT @ spectrum @ columns).flatten(1, 2)

    def responses(self, radii: Tensor) -> Tensor:
        """Return the learnable filters' responses at radii (h, w): (FILTERS, h, w)."""
        position = radii / FINEST * (KNOTS - 1)
        low = position.long().clamp(max=KNOTS - 2)
        values, fraction = self.knots.tanh(), position - low
        return values[:, low] * (1 - fraction) + values[:, low + 1] * fraction


class Harmonisation(nn.Module):
    """Mix groups of channels of a side-out feature and its neighbour's by a gate."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Conv2d(2 * WIDTH, GROUPS, 1)
        self.after = _layer(WIDTH, WIDTH)

    def forward(self, side: Tensor, neighbour: Tensor) -> Tensor:
        """Two features (b, 64, h, w) -> (b, 64, h, w)."""
        gate = self.gate(torch.cat((side, neighbour), 1)).sigmoid()[:, :, None]
        side, neighbour = (x.unflatten(1, (GROUPS, -1)) for x in (side, neighbour))
        return self.after((gate * side + (1 - gate) * neighbour).flatten(1, 2))


class Embedding(nn.Module):
    """Scale and shift a feature at each pixel by the prior."""

    def __init__(self):
        super().__init__()
        self.shared = _layer(WIDTH, WIDTH)
        self.scale, self.shift = (nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor, prior: Tensor) -> Tensor:
        """A feature and a prior, (b, 64, h, w) -> (b, 64, h, w)."""
        prior = self.shared(prior)
        return x * (1 + self.scale(prior)) + self.shift(prior)


def frequencies(h: int, w: int) -> Tensor:
    """Return the frequency of each coefficient (h, w) of a cosine transform, in cycles per pixel below FINEST."""
    y, x = (torch.arange(side) / (2 * side) for side in (h, w))
    return torch.hypot(y[:, None], x)


def resize_like(x: Tensor, like: Tensor) -> Tensor:
    """Resize bilinearly to the size of `like`."""
    return functional.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


@lru_cache(maxsize=8)
@torch.inference_mode(False)  # training uses the cached tensors too
def _cosines(n: int, device: torch.device) -> Tensor:
    """Return the orthonormal cosine transform (DCT-II) of n values, float32 (n, n): coefficients by values."""
    k = torch.arange(n, dtype=torch.float64)
    matrix = (math.pi / n * k[:, None] * (k + 0.5)).cos() * math.sqrt(2 / n)
    matrix[0] /= math.sqrt(2)
    return matrix.float().to(device)


def _layer(into: int, out: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(into, out, size, stride, size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU(inplace=True))
