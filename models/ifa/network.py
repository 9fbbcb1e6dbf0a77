"""IFA, the implicit feature alignment function (Hu et al., ECCV 2022), under the names in its trainer's checkpoints."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts.resnet import ResNet

WIDTH = 256
FREQUENCIES = 6


class IFA(nn.Module):
    """(b, 3, h, w), normalised, of any size -> logits (b, classes, h, w), and those of an auxiliary head for training.

    This is the authors' only configuration: ResNet-50 with strides of 4 to 32, without pyramid pooling.
    """

    def __init__(self, classes: int):
        super().__init__()
        self.encoder = Backbone()
        self.decoder = Decoder(classes)
        self.auxor = nn.Module()
        self.auxor.aux = nn.Sequential(
            nn.Conv2d(1024, WIDTH, 3, padding=1),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(inplace=True),
            nn.Dropout2d(0.1),
            nn.Conv2d(WIDTH, classes, 1),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(b, 3, h, w) -> logits and auxiliary logits, (b, classes, h, w) each."""
        features = self.encoder(x)[1:]
        logits, auxiliary = self.decoder(features), self.auxor.aux(features[2])
        return enlarge(logits, x.shape[-2:]), enlarge(auxiliary, x.shape[-2:])


class Backbone(ResNet):
    """ResNet-50 with a stem of three 3x3 convolutions; its last stage is dilated although it halves the size."""

    # The stem has twice the channels of torchvision's.
    replaced = ("conv1.", "bn1.", "layer1.0.conv1.", "layer1.0.bn1.", "layer1.0.downsample.")

    def __init__(self):
        super().__init__(50, dilations=[(1,) * 3, (1,) * 4, (1,) * 6, (2, 2, 4)], stem=128, ceil_mode=True)
        layers = []
        for into, out, stride in ((3, 64, 2), (64, 64, 1), (64, 128, 1)):
            layers += [nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
        self.conv1 = nn.Sequential(*layers[:-2])  # the last norm is bn1


class Decoder(nn.Module):
    """Reduce four features, fine to coarse, to 256 channels and align them on the finest grid."""

    def __init__(self, classes: int):
        super().__init__()
        for name, into in (("enc1", 256), ("enc2", 512), ("enc3", 1024), ("head", 2048)):
            layers = nn.Conv2d(into, WIDTH, 1), nn.BatchNorm2d(WIDTH), nn.ReLU(inplace=True)
            self.add_module(name, nn.Sequential(*layers))
        self.ifa = Alignment(classes)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Four features (b, 256 to 2048, h', w'), finest first -> logits (b, classes, h, w)."""
        reduce = (self.enc1, self.enc2, self.enc3, self.head)
        return self.ifa([reduced(x) for reduced, x in zip(reduce, features, strict=True)])


class Alignment(nn.Module):
    """A perceptron on each point's nearest feature of every level and the offset to it."""

    def __init__(self, classes: int):
        super().__init__()
        for level in range(1, 5):
            self.add_module(f"pos{level}", Position())
        layers = []
        for into, out in pairwise((4 * (WIDTH + 2 + 4 * FREQUENCIES), 512, WIDTH, WIDTH)):
            layers += [nn.Conv1d(into, out, 1), nn.BatchNorm1d(out), nn.ReLU()]
        self.imnet = nn.Sequential(*layers, nn.Conv1d(WIDTH, classes, 1))

    def forward(self, features: list[Tensor]) -> Tensor:
        """Four features (b, 256, h', w'), finest first -> logits (b, classes, h, w)."""
        size = features[0].shape[-2:]
        aligned = []
        for level, feature in enumerate(features, 1):
            offset, nearest = nearest_features(feature, size)
            aligned += [self.get_submodule(f"pos{level}")(offset), nearest]
        return self.imnet(torch.cat(aligned, 1)).unflatten(2, size)


class Position(nn.Module):
    """Encode offsets by themselves and their sines and cosines at learned frequencies, initially 1 to 64."""

    def __init__(self):
        super().__init__()
        octaves = 2 ** torch.linspace(0, 6, FREQUENCIES)[:, None]
        self.emb = nn.Parameter(torch.block_diag(octaves, octaves))

    def forward(self, x: Tensor) -> Tensor:
        """(b, 2, n) -> (b, 26, n)."""
        y = self.emb @ x
        return torch.cat((x, y.sin(), y.cos()), 1)


def nearest_features(x: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Find the nearest feature of each of n = h * w points, and the offset to the point from it.

    Args:
        x: Features (b, c, H, W).
        size: Grid (h, w) of the points.

    Returns:
        Offsets (b, 2, n), down and right in units of half a pixel of x, and features (b, c, n). Offsets of features in
        half precision are float32, since coordinates need it.
    """
    precise = x.to(torch.promote_types(x.dtype, torch.float32))
    points, centres = (_centres(grid, precise).expand(len(x), -1, -1, -1) for grid in (size, x.shape[-2:]))
    grid = points.flip(1).permute(0, 2, 3, 1)  # grid_sample takes x before y
    nearest, origin = (functional.grid_sample(y, grid, mode="nearest", align_corners=False) for y in (precise, centres))
    scale = precise.new_tensor(x.shape[-2:])[:, None, None]
    return ((points - origin) * scale).flatten(2), nearest.flatten(2).to(x.dtype)


def enlarge(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize bilinearly with aligned corners."""
    return functional.interpolate(x, size, mode="bilinear", align_corners=True)


def _centres(size: tuple[int, int], like: Tensor) -> Tensor:
    """Return y and x of the pixels' centres in [-1, 1], (2, h, w)."""
    axes = [(2 * torch.arange(side).to(like) + 1) / side - 1 for side in size]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))
