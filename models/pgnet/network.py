"""PGNet, the pyramid grafting network (Xie et al., CVPR 2022), key-compatible with the authors' checkpoints."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts.resnet import ResNet
from disbench.models._parts.swin import SIZES, Swin

SMALL = 224  # side of the transformer's copy of the image
WIDTH = 64
HEADS = 8


class PGNet(nn.Module):
    """(b, 3, h, w), normalised -> logits (b, 1, h/4, w/4), and three outputs for training.

    These are logits of each backbone (b, 1, 28, 28), and the affinity of each pixel of one to each pixel of the other
    (b, 1, 784, 784). A transformer sees the image at 224 x 224, a ResNet at its own size.
    """

    def __init__(self):
        super().__init__()
        width, depths, _ = SIZES["base"]
        self.resnet = ResNet(18)
        self.swin = Swin(width, depths[:3], window=7, norms=False)
        self.swin.norm = nn.LayerNorm(1024)  # norm of the omitted stage: in checkpoints, without effect
        self.decoder = Decoder()
        for head in ("linear1", "linear2", "linear3"):
            self.add_module(head, nn.Conv2d(WIDTH, 1, 3, padding=1))
        self.conv = nn.Conv2d(HEADS, 1, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(b, 3, h, w) -> (b, 1, h/4, w/4), twice (b, 1, 28, 28), and (b, 1, 784, 784)."""
        detailed = self.resnet(x)[1:]
        small = functional.interpolate(x, (SMALL, SMALL), mode="bilinear", align_corners=True)
        joined, local, overall, attention = self.decoder(detailed, self.swin(small))
        return self.linear1(joined), self.linear2(local), self.linear3(overall), self.conv(attention)


class Decoder(nn.Module):
    """Graft the transformer's features s1 to s4 onto the ResNet's r2 to r5, each from fine to coarse."""

    def __init__(self):
        super().__init__()
        self.sqz_s2, self.sqz_r5 = _convolutions(256), _convolutions(512)
        self.GF = Grafting()
        self.d1 = nn.Module()
        self.d1.squeeze1 = _convolutions(512, size=1)
        self.d1.squeeze2 = _convolutions(WIDTH, dilation=2)
        self.d2, self.d3, self.d4 = Joining(512), Joining(WIDTH), nn.Module()
        self.d4.sqz_s1, self.d4.sqz_r4 = _convolutions(128), _convolutions(256)
        self.d4.conv3x3, self.d4.db2 = _convolutions(WIDTH), Joining(WIDTH)
        self.d5, self.d6 = Joining(128), Joining(WIDTH)

    def forward(self, detailed: Sequence[Tensor], whole: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Two lists of four features, finest first -> features (b, 64, h/4, w/4), and three outputs for training.

        These are r5 and s2 as they enter the graft, and the graft's attention (b, 8, n, n).
        """
        r2, r3, r4, r5 = detailed
        s1, s2, s3, s4 = whole
        r5, s2 = self.sqz_r5(_resize_like(r5, s2)), self.sqz_s2(s2)
        x = self.d2(s3, self.d1.squeeze2(self.d1.squeeze1(s4)))
        grafted, attention = self.GF(r5, s2)
        x = self.d3(grafted, x)
        both = self.d4.conv3x3(self.d4.sqz_s1(_resize_like(s1, r4)) + self.d4.sqz_r4(r4))
        x = self.d4.db2(both, x)
        x = self.d6(r2, self.d5(r3, x))
        return x, r5, s2, attention


class Grafting(nn.Module):
    """Cross attention of x to y, with the values of x."""

    def __init__(self):
        super().__init__()
        self.k, self.qv, self.proj = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.lnx, self.lny = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.conv = nn.Conv2d(HEADS, HEADS, 3, padding=1)
        self.bn = nn.BatchNorm2d(HEADS)
        self.conv2 = _convolutions(WIDTH, WIDTH)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Two features (b, 64, h, w) -> features (b, 64, h, w) and attention (b, 8, n, n), n = h * w."""
        tokens = x.flatten(2).mT
        query, value = (_heads(part) for part in self.qv(self.lnx(tokens)).chunk(2, -1))
        key = _heads(self.k(self.lny(y.flatten(2).mT)))
        attention = (query @ key.mT * query.shape[-1] ** -0.5).softmax(-1)
        tokens = tokens + self.proj((attention @ value).transpose(1, 2).flatten(2))
        x = tokens.mT.unflatten(2, x.shape[-2:])
        return self.conv2(x) + x, self.bn(self.conv(attention + attention.mT)).relu()


class Joining(nn.Module):
    """Join a finer and a coarser feature."""

    def __init__(self, into: int):
        super().__init__()
        self.short_cut = nn.Conv2d(WIDTH, WIDTH, 1)
        self.conv, self.conv2 = _convolutions(into + WIDTH, WIDTH), _convolutions(WIDTH, WIDTH)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """(b, into, h, w) and (b, 64, h', w') -> (b, 64, h, w)."""
        coarse = _resize_like(coarse, fine)
        x = self.conv(torch.cat((fine, coarse), 1)) + self.short_cut(coarse)
        return x + self.conv2(x)


def _convolutions(*into: int, size: int = 3, dilation: int = 1) -> nn.Sequential:
    """Chain convolutions with norm and ReLU, one per number of input channels; each has 64 outputs."""
    layers = []
    for channels in into:
        convolution = nn.Conv2d(channels, WIDTH, size, padding=size // 2 * dilation, dilation=dilation)
        layers += [convolution, nn.BatchNorm2d(WIDTH), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _heads(x: Tensor) -> Tensor:
    """Split channels into heads: (b, n, 64) -> (b, 8, n, 8)."""
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def _resize_like(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=True)
