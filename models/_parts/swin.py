"""Swin Transformer (Liu et al., ICCV 2021) under its authors' names, for images of any size.

Grids that windows do not fill are padded with zeros and then shifted, as in the authors' code for detection; PGNet's,
from that for classification, pads nothing at its one size and so is the same.
"""

from collections import OrderedDict
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

# Channels of the first stage, blocks of each, side of a window in tokens.
SIZES = {
    "tiny": (96, (2, 2, 6, 2), 7),
    "base": (128, (2, 2, 18, 2), 12),
    "large": (192, (2, 2, 18, 2), 12),
}
BUFFERS = ("relative_position_index", "attn_mask", "atten_mask")  # the last as PGNet has it
HEAD = 32  # channels of a head, in every size
APART = -100.0  # the authors' logit between tokens that only the shift brought together; its exponential is 0


class Swin(nn.Module):
    """(b, 3, h, w) -> features (b, c, h', w') of the stem, at 1/4, and of each stage, at 1/4, 1/8, 1/16 and 1/32.

    Sides round up. norms: stages are normalised, each by a layer of its own; without them a stage's features are what
    the next one takes, merged to half the size and twice the channels. Checkpoints hold tables that follow from the
    size of a window: `learned` leaves them out.
    """

    def __init__(self, width: int, depths: tuple[int, ...], window: int, norms: bool = True):
        super().__init__()
        self.channels = tuple(width << level for level in range(len(depths)))
        norm = nn.LayerNorm(width)
        self.patch_embed = nn.Sequential(OrderedDict(proj=nn.Conv2d(3, width, 4, 4), norm=norm))
        self.layers = nn.ModuleList(
            Stage(channels, depth, window, last=level == len(depths) - 1)
            for level, (channels, depth) in enumerate(zip(self.channels, depths, strict=True))
        )
        self.norms = [f"norm{level}" for level in range(len(depths))] if norms else []
        for name, channels in zip(self.norms, self.channels, strict=False):
            self.add_module(name, nn.LayerNorm(channels))
        # As in ResNet: the classifier and its norm, and of four stages those that are not here.
        stages = [f"layers.{level}." for level in range(len(depths), 4)]
        self.surplus = ("head.", "norm.", f"layers.{len(depths) - 1}.downsample.", *stages)
        self.drawn, self.own = tuple(f"{name}." for name in self.norms), ()

    def forward(self, x: Tensor) -> list[Tensor]:
        x = functional.pad(x, (0, -x.shape[-1] % 4, 0, -x.shape[-2] % 4))
        x = self.patch_embed.norm(self.patch_embed.proj(x).permute(0, 2, 3, 1))
        features = [x]
        for level, stage in enumerate(self.layers):
            x = stage.blocks(x)
            if self.norms:
                features.append(self.get_submodule(self.norms[level])(x))
            if stage.downsample is not None:
                x = stage.downsample(x)
            if not self.norms:
                features.append(x)
        return [feature.permute(0, 3, 1, 2).contiguous() for feature in features]


def learned(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint without the tables that are computed here."""
    return {name: tensor for name, tensor in state.items() if not name.endswith(BUFFERS)}


class Stage(nn.Module):
    def __init__(self, width: int, depth: int, window: int, last: bool):
        super().__init__()
        self.blocks = nn.Sequential(*(Block(width, window, index % 2 * (window // 2)) for index in range(depth)))
        self.downsample = None if last else Merging(width)


class Block(nn.Module):
    """(b, h, w, c) -> the same."""

    def __init__(self, width: int, window: int, shift: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, window, shift)
        self.norm2 = nn.LayerNorm(width)
        layers = {"fc1": nn.Linear(width, 4 * width), "act": nn.GELU(), "fc2": nn.Linear(4 * width, width)}
        self.mlp = nn.Sequential(OrderedDict(layers))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Merging(nn.Module):
    """Each 2 x 2 tokens become one: (b, h, w, c) -> (b, ceil(h/2), ceil(w/2), 2c)."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        b, h, w, c = x.shape
        x = x.view(b, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 4, 2, 5)  # columns before rows, as the authors'
        return self.reduction(self.norm(x.reshape(b, h // 2, w // 2, 4 * c)))


class Attention(nn.Module):
    """Attention within windows, (b, h, w, c) -> the same; the grid is shifted by `shift` tokens up and left before."""

    def __init__(self, width: int, window: int, shift: int):
        super().__init__()
        self.window, self.shift = window, shift
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, width // HEAD))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        grid = _grid(x.shape[:3], self.window, self.shift, x.device)
        qkv = self.qkv(x).flatten(0, 2)
        if grid.padded:  # others look at one token of zeros; what it sees itself is dropped
            qkv = torch.cat((qkv, self.qkv.bias[None]))
        qkv = qkv[grid.order].view(-1, self.window**2, 3, x.shape[3] // HEAD, HEAD).permute(2, 0, 3, 1, 4)
        # bias[head, i, j] of the way from token j to token i
        bias = self.relative_position_bias_table.T[:, grid.ways][None]
        answers, first = [], 0
        for count, apart in grid.alike:
            mask = bias if apart is None else bias + apart
            answers.append(functional.scaled_dot_product_attention(*qkv[:, first : first + count], attn_mask=mask))
            first += count
        return self.proj(torch.cat(answers).transpose(1, 2).flatten(0, 1).flatten(1)[grid.back].view(x.shape))


class Grid(NamedTuple):
    """How the tokens of a batch lie in windows, those alike in what is kept apart one after the other."""

    order: Tensor  # int64: the token, counted through the batch, at each place of each window
    back: Tensor  # int64 (b * h * w): the place of each token
    padded: bool  # whether there are places without a token, for which order counts one more
    alike: list[tuple[int, Tensor | None]]  # so many windows, and what their logits get added, (window**2, window**2)
    ways: Tensor  # int64 (window**2, window**2): the row of the table of biases


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # what is kept serves training as well
def _grid(shape: tuple[int, int, int], window: int, shift: int, device: torch.device) -> Grid:
    b, h, w = shape
    rows, columns = -(-h // window), -(-w // window)
    tokens = torch.full((b, rows * window, columns * window), b * h * w)
    tokens[:, :h, :w] = torch.arange(b * h * w).view(b, h, w)
    tokens = tokens.roll((-shift, -shift), (1, 2)).view(b, rows, window, columns, window).permute(1, 3, 0, 2, 4)
    y, x = (side.flatten() for side in torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij"))
    if shift:  # what the last row and column of windows hold came from two sides
        parts = [tokens[:-1, :-1].flatten(0, 1), tokens[:-1, -1], tokens[-1, :-1], tokens[-1, -1:]]
        right, below = x >= window - shift, y >= window - shift
        sides = (right, below, right + 2 * below)
        apart = [None, *(APART * (side[:, None] != side).float().to(device) for side in sides)]
    else:
        parts, apart = [tokens.flatten(0, 1)], [None]
    order = torch.cat([part.flatten() for part in parts])
    back = torch.empty(b * h * w + 1, dtype=torch.int64)
    back[order] = torch.arange(order.numel())
    ways = (y[:, None] - y + window - 1) * (2 * window - 1) + x[:, None] - x + window - 1
    alike = [(len(part) * b, mask) for part, mask in zip(parts, apart, strict=True) if len(part)]
    return Grid(order.to(device), back[:-1].to(device), order.numel() > b * h * w, alike, ways.to(device))
