"""Layers of ISDNet's heads, under the names of mmcv and of STDC."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


class Convolution(nn.Module):
    """A convolution without bias, with norm, and with ReLU if `active`."""

    def __init__(self, into: int, out: int, size: int = 3, stride: int = 1, *, dilation: int = 1, active: bool = True):
        super().__init__()
        padding = size // 2 * dilation
        self.conv = nn.Conv2d(into, out, size, stride, padding, dilation, bias=False)
        self.bn = nn.BatchNorm2d(out)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        """(b, into, h, w) -> (b, out, h / stride, w / stride)."""
        x = self.bn(self.conv(x))
        return x.relu() if self.active else x


class Classes(nn.Module):
    """Two convolutions that predict classes."""

    def __init__(self, into: int, classes: int):
        super().__init__()
        self.conv_bn_relu = Convolution(into, into // 2)
        self.conv_out = nn.Conv2d(into // 2, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, into, h, w) -> logits (b, classes, h, w)."""
        return self.conv_out(self.conv_bn_relu(x))


class Cat(nn.Module):
    """STDC's block (Fan et al., CVPR 2021): narrower and narrower convolutions, with all outputs concatenated."""

    def __init__(self, into: int, out: int, stride: int):
        super().__init__()
        widths = (out // 2, out // 4, out // 8, out // 8)
        self.conv_list = nn.ModuleList([Convolution(into, widths[0], 1)])
        for previous, width in pairwise(widths):
            self.conv_list.append(Convolution(previous, width))
        if stride == 2:
            halved = nn.Conv2d(widths[0], widths[0], 3, 2, 1, groups=widths[0], bias=False)
            self.avd_layer = nn.Sequential(halved, nn.BatchNorm2d(widths[0]))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(b, into, h, w) -> (b, out, h / stride, w / stride)."""
        x = self.conv_list[0](x)
        outputs = [functional.avg_pool2d(x, 3, 2, 1) if self.stride == 2 else x]
        x = self.avd_layer(x) if self.stride == 2 else x
        for layer in self.conv_list[1:]:
            x = layer(x)
            outputs.append(x)
        return torch.cat(outputs, 1)


class Shallow(nn.Module):
    """STDC's layers on the details of the image."""

    def __init__(self):
        super().__init__()
        first = [Convolution(6, 32, 3, 2), Convolution(32, 64, 3, 2)]
        blocks = [Cat(64, 256, 2), Cat(256, 256, 1), Cat(256, 512, 2), Cat(512, 512, 1)]
        self.features = nn.Sequential(*first, *blocks)
        # Checkpoints name each layer a second time, by its stride.
        for name, layers in (("x2", slice(1)), ("x4", slice(1, 2)), ("x8", slice(2, 4)), ("x16", slice(4, 6))):
            self.add_module(name, nn.Sequential(self.features[layers]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(b, 6, h, w) -> features (b, 256, h/8, w/8) and (b, 512, h/16, w/16)."""
        eighth = self.x8(self.x4(self.x2(x)))
        return eighth, self.x16(eighth)


def laplacian_details(image: Tensor) -> Tensor:
    """Return the two finest levels of a Laplacian pyramid, the second enlarged: (b, 3, h, w) -> (b, 6, h, w)."""
    fine, half = _residual(image)
    coarse, _ = _residual(half)
    return torch.cat((fine, functional.interpolate(coarse, fine.shape[-2:], mode="bilinear")), 1)


def _residual(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return what an image loses when halved, and the halved image."""
    half = _blur(image)[..., ::2, ::2]
    spread = half.new_zeros(*half.shape[:2], 2 * half.shape[2], 2 * half.shape[3])
    spread[..., ::2, ::2] = 4 * half
    restored = _blur(spread)
    if restored.shape != image.shape:  # an odd side
        restored = functional.interpolate(restored, image.shape[-2:])
    return image - restored, half


def _blur(image: Tensor) -> Tensor:
    """Blur by the binomial kernel of 5 x 5, mirrored at the border."""
    row = image.new_tensor([1, 4, 6, 4, 1]) / 16
    kernel = (row[:, None] * row).expand(image.shape[1], 1, 5, 5)
    return functional.conv2d(functional.pad(image, (2, 2, 2, 2), "reflect"), kernel, groups=image.shape[1])
