"""Layers of InSPyReNet, under the names in its checkpoints."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional


class Layer(nn.Sequential):
    """A convolution that keeps the size, with norm by default, and with ReLU if `active`."""

    def __init__(
        self,
        into: int,
        out: int,
        size: int | tuple[int, int],
        *,
        dilation: int = 1,
        norm: bool = True,
        active: bool = False,
    ):
        layers = OrderedDict(conv=nn.Conv2d(into, out, size, padding="same", dilation=dilation, bias=False))
        if norm:
            layers["bn"] = nn.BatchNorm2d(out)
        if active:
            layers["relu"] = nn.ReLU(inplace=True)
        super().__init__(layers)


class AxisAttention(nn.Module):
    """Self-attention along axis "h" or "w", added to its input.

    As in the authors' code a view, not a transposition, makes the axis the last one. So along "h" the members are
    runs of pixels rather than rows.
    """

    def __init__(self, width: int, axis: str):
        super().__init__()
        self.axis = axis
        self.query_conv = Layer(width, width // 8, 1)
        self.key_conv = Layer(width, width // 8, 1)
        self.value_conv = Layer(width, width, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, h, w)."""
        length = x.shape[2] if self.axis == "h" else x.shape[3]
        layers = (self.query_conv, self.key_conv, self.value_conv)
        query, key, value = (layer(x).reshape(len(x), -1, length).transpose(1, 2) for layer in layers)
        attended = functional.scaled_dot_product_attention(query, key, value, scale=1.0)
        return self.gamma * attended.transpose(1, 2).reshape(x.shape) + x


class Branch(nn.Module):
    """A wide receptive field: `reach` x 1 and 1 x `reach`, attention along both axes, and a 3x3 dilated by `reach`."""

    def __init__(self, into: int, width: int, reach: int):
        super().__init__()
        self.conv0 = Layer(into, width, 1)
        self.conv1 = Layer(width, width, (1, reach))
        self.conv2 = Layer(width, width, (reach, 1))
        self.conv3 = Layer(width, width, 3, dilation=reach)
        self.Hattn = AxisAttention(width, "h")
        self.Wattn = AxisAttention(width, "w")

    def forward(self, x: Tensor) -> Tensor:
        """(b, into, h, w) -> (b, width, h, w)."""
        x = self.conv2(self.conv1(self.conv0(x)))
        return self.conv3(self.Hattn(x) + self.Wattn(x))


class Context(nn.Module):
    """The encoder of parallel axial attention (UACANet's PAA-e) for one level."""

    def __init__(self, into: int, width: int):
        super().__init__()
        self.branch0 = Layer(into, width, 1)
        self.branch1, self.branch2, self.branch3 = (Branch(into, width, reach) for reach in (3, 5, 7))
        self.conv_cat = Layer(4 * width, width, 3)
        self.conv_res = Layer(into, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, into, h, w) -> (b, width, h, w)."""
        branches = [branch(x) for branch in (self.branch0, self.branch1, self.branch2, self.branch3)]
        return torch.relu(self.conv_cat(torch.cat(branches, 1)) + self.conv_res(x))


class Decoder(nn.Module):
    """UACANet's PAA-d: predict the first map from the deepest levels."""

    def __init__(self, width: int):
        super().__init__()
        self.conv1 = Layer(3 * width, width, 3)
        self.conv2, self.conv3, self.conv4 = (Layer(width, width, 3) for _ in range(3))
        self.conv5 = Layer(width, 1, 3, norm=False)
        self.Hattn = AxisAttention(width, "h")
        self.Wattn = AxisAttention(width, "w")

    def forward(self, levels: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Three features (b, width, h', w'), finest first -> features and logits of the first map, finest size."""
        size = levels[0].shape[-2:]
        levels = [functional.interpolate(x, size, mode="bilinear", align_corners=True) for x in reversed(levels)]
        x = self.conv1(torch.cat(levels, 1))
        x = self.conv4(self.conv3(self.conv2(self.Hattn(x) + self.Wattn(x))))
        return x, self.conv5(x)


class ContextAttention(nn.Module):
    """Scale-invariant context attention (SICA): pixels attend to the sums over regions of the coarser map.

    Sums run over a grid of `side` x `side` for any image size. So the side is part of the function, and float16
    overflows. has_laplacian: a Laplacian map comes with the coarser map.
    """

    def __init__(self, into: int, width: int, side: int, *, has_laplacian: bool):
        super().__init__()
        self.side = side
        self.conv_query = nn.Sequential(Layer(into, width, 3, active=True), Layer(width, width, 3, active=True))
        self.conv_key = nn.Sequential(Layer(into, width, 1, active=True), Layer(width, width, 1, active=True))
        self.conv_value = nn.Sequential(Layer(into, width, 1, active=True), Layer(width, width, 1, active=True))
        self.conv_out1 = Layer(width, width, 3, active=True)
        self.conv_out2 = Layer(into + width, width, 3, active=True)
        self.conv_out3 = Layer(width, width, 3, active=True)
        self.conv_out4 = Layer(width, 1, 1)
        self.threshold = nn.Parameter(torch.tensor([0.5]))
        if has_laplacian:
            self.lthreshold = nn.Parameter(torch.tensor([0.5]))

    def forward(self, x: Tensor, saliency: Tensor, laplacian: Tensor | None) -> tuple[Tensor, Tensor]:
        """Refine the features of a level.

        Args:
            x: Features (b, into, h, w).
            saliency: Logits of the coarser map, (b, 1, h', w').
            laplacian: Laplacian map of the coarser level, (b, 1, h', w'), or None.

        Returns:
            Features (b, width, h, w), and the Laplacian map of this level (b, 1, h, w).
        """
        size, grid = x.shape[-2:], (self.side, self.side)
        margin = resize(saliency, size).sigmoid() - self.threshold
        regions = [margin.clip(0, 1), (-margin).clip(0, 1), self.threshold - margin.abs()]
        if laplacian is not None:
            detail = resize(laplacian, size).sigmoid() - self.lthreshold
            regions += [detail.clip(0, 1), (-detail).clip(0, 1)]
        weights = resize(torch.cat(regions, 1), grid).flatten(2)
        # A view in place of a transposition: this mixes pixels and channels, but checkpoints are trained with it.
        features = resize(x, grid).reshape(len(x), self.side**2, -1)
        contexts = (weights @ features).transpose(1, 2)[..., None]
        layers = ((self.conv_query, x), (self.conv_key, contexts), (self.conv_value, contexts))
        query, key, value = (layer(y).flatten(2).transpose(1, 2) for layer, y in layers)
        attended = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).unflatten(2, size)
        x = self.conv_out3(self.conv_out2(torch.cat((x, self.conv_out1(attended)), 1)))
        return x, self.conv_out4(x)


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize bilinearly without aligned corners."""
    return x if x.shape[-2:] == size else functional.interpolate(x, size, mode="bilinear", align_corners=False)
