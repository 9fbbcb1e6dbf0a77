"""ISDNet (Guo et al., CVPR 2022) with ResNet-18, key-compatible with its trainer's checkpoints."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts.resnet import ResNet
from disbench.models.isdnet.layers import Classes, Convolution, Shallow, laplacian_details

WIDTH = 128
GROUPS = 16  # groups of channels that are compared with each other


class ISDNet(nn.Module):
    """(b, 3, h, w), normalised -> logits (b, classes, h, w).

    A deep network sees the image at a quarter of its size, a shallow network sees the details at full size.
    """

    def __init__(self, classes: int):
        super().__init__()
        self.backbone = Backbone()
        self.decode_head = Context(classes)
        self.refine_head = Refinement(classes)
        # For training only, as are some parts of the heads: in checkpoints, but without effect on the prediction.
        self.auxiliary_head = nn.Module()
        self.auxiliary_head.convs = nn.Sequential(Convolution(256, 64))
        self.auxiliary_head.conv_seg = nn.Conv2d(64, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, 3, h, w) -> logits (b, classes, h, w)."""
        quarter = functional.interpolate(x, [side // 4 for side in x.shape[-2:]])
        deep = self.decode_head(self.backbone(quarter)[-1])
        return functional.interpolate(self.refine_head(x, deep), x.shape[-2:], mode="bilinear")


class Backbone(ResNet):
    """ResNet-18 at 1/8, dilated in its last two stages, with a stem of three 3x3 convolutions."""

    replaced = ("stem.", "conv1.", "bn1.")

    def __init__(self):
        super().__init__(18, strides=(1, 2, 1, 1), dilations=[(1, 1), (1, 1), (1, 2), (2, 4)])
        del self.conv1, self.bn1
        layers = []
        for into, out, stride in ((3, 32, 2), (32, 32, 1), (32, 64, 1)):
            layers += [nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
        self.stem = nn.Sequential(*layers)

    def entry(self, x: Tensor) -> Tensor:
        """(b, 3, h, w) -> (b, 64, h/2, w/2)."""
        return self.stem(x)


class Context(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al., 2017)."""

    def __init__(self, classes: int):
        super().__init__()
        self.image_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), Convolution(512, WIDTH, 1))
        self.aspp_modules = nn.ModuleList([Convolution(512, WIDTH, 1)])
        self.aspp_modules.extend(Convolution(512, WIDTH, dilation=dilation) for dilation in (12, 24, 36))
        self.bottleneck = Convolution(5 * WIDTH, WIDTH)
        self.conv_seg = nn.Conv2d(WIDTH, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, 512, h, w) -> (b, 128, h, w)."""
        pooled = self.image_pool(x).expand(-1, -1, *x.shape[-2:])
        return self.bottleneck(torch.cat([pooled, *(module(x) for module in self.aspp_modules)], 1))


class Refinement(nn.Module):
    """Fuse the image's details with the deep features."""

    def __init__(self, classes: int):
        super().__init__()
        self.fuse8 = Fusion(256)
        self.fuse16 = Fusion(512)
        self.stdc_net = Shallow()
        self.conv_seg = Classes(WIDTH, classes)
        self.conv_seg_aux_16 = Classes(WIDTH, classes)
        self.conv_seg_aux_8 = Classes(WIDTH, classes)
        self.sr_decoder = nn.Module()
        for name, into, out in (("conv1", WIDTH, 64), ("conv2", 64, 64), ("conv3", 64, WIDTH)):
            self.sr_decoder.add_module(name, Convolution(into, out))
        self.sr_decoder.conv_sr = Classes(WIDTH, 3)

    def forward(self, image: Tensor, deep: Tensor) -> Tensor:
        """(b, 3, h, w) and (b, 128, h/32, w/32) -> logits (b, classes, h/8, w/8)."""
        eighth, sixteenth = self.stdc_net(laplacian_details(image))
        return self.conv_seg(self.fuse8(eighth, self.fuse16(sixteenth, deep)))


class Fusion(nn.Module):
    """Relation-aware fusion: the affinity of shallow and deep channels decides how much of each channel passes."""

    def __init__(self, into: int):
        super().__init__()
        self.g1 = nn.Parameter(torch.zeros(1))
        self.g2 = nn.Parameter(torch.zeros(1))
        self.spatial_mlp, self.context_mlp = _perceptron(), _perceptron()
        self.spatial_att, self.context_att = Attention(into), Attention(WIDTH)
        self.context_head = Convolution(WIDTH, WIDTH)
        self.smooth = Convolution(WIDTH, WIDTH, active=False)

    def forward(self, shallow: Tensor, deep: Tensor) -> Tensor:
        """(b, into, h, w) and (b, 128, h', w') -> (b, 128, h, w)."""
        shallow, shallow_weight = self.spatial_att(shallow)
        deep, deep_weight = self.context_att(deep)
        grouped = [weight.unflatten(1, (GROUPS, -1)).flatten(2) for weight in (shallow_weight, deep_weight)]
        affinity = (grouped[0] @ grouped[1].mT).flatten(1)
        shallow = shallow * (shallow_weight + self.g1 * self.spatial_mlp(affinity).relu()[..., None, None]).sigmoid()
        deep = deep * (deep_weight + self.g2 * self.context_mlp(affinity).relu()[..., None, None]).sigmoid()
        deep = functional.interpolate(deep, shallow.shape[-2:], mode="bilinear")
        return self.smooth(shallow + self.context_head(deep))


class Attention(nn.Module):
    """A convolution, and a weight per channel, before its sigmoid."""

    def __init__(self, into: int):
        super().__init__()
        self.conv_bn_relu = Convolution(into, WIDTH)
        self.conv_1x1 = Convolution(WIDTH, WIDTH, 1, active=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(b, into, h, w) -> features (b, 128, h, w) and weights (b, 128, 1, 1)."""
        x = self.conv_bn_relu(x)
        return x, self.conv_1x1(x.mean((2, 3), keepdim=True))


def _perceptron() -> nn.Sequential:
    return nn.Sequential(nn.Linear(GROUPS**2, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))
