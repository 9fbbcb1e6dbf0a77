"""Swin Transformer (Liu et al., ICCV 2021) under its authors' names, for images of any size.

Grids that windows do not fill are padded with zeros and then shifted, as in the authors' code for detection. PGNet's
code, which follows the authors' code for classification, needs no padding at its only size and so gives the same.
"""

from collections import OrderedDict
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

# Channels of the first stage, blocks of each stage, side of a window in tokens.
SIZES = {
    "tiny": (96, (2, 2, 6, 2), 7),
    "base": (128, (2, 2, 18, 2), 12),
    "large": (192, (2, 2, 18, 2), 12),
}
BUFFERS = ("relative_position_index", "attn_mask", "atten_mask")  # the last is PGNet's name
HEAD = 32  # channels of a head, in every size
# The authors' logit between tokens that are neighbours only because of the shift. Its exponential is practically 0.
MASKED = -100.0


class Swin(nn.Module):
    """(b, 3, h, w) -> features (b, c, h', w') of the stem, at 1/4 of the size, and of each stage, at 1/4 to 1/32.

    Sides are rounded up. norms: each stage's features are normalised by a layer of their own. Without norms a stage's
    features are the input of the next stage: merged to half the size and twice the channels. positions: side in tokens
    of a learned grid of positions, which is resized to the image; 0 for none. Checkpoints also hold tables that follow
    from the window size; `drop_buffers` drops them.
    """

    def __init__(self, width: int, depths: tuple[int, ...], window: int, *, norms: bool = True, positions: int = 0):
        super().__init__()
        self.channels = tuple(width << level for level in range(len(depths)))
        norm = nn.LayerNorm(width)
        self.patch_embed = nn.Sequential(OrderedDict(proj=nn.Conv2d(3, width, 4, 4), norm=norm))
        self.absolute_pos_embed = nn.Parameter(torch.empty(1, width, positions, positions)) if positions else None
        if self.absolute_pos_embed is not None:
            nn.init.trunc_normal_(self.absolute_pos_embed, std=0.02)
        self.layers = nn.ModuleList(
            Stage(channels, depth, window, last=level == len(depths) - 1)
            for level, (channels, depth) in enumerate(zip(self.channels, depths, strict=True))
        )
        self.norms = [f"norm{level}" for level in range(len(depths))] if norms else []
        for name, channels in zip(self.norms, self.channels, strict=False):
            self.add_module(name, nn.LayerNorm(channels))
        # As in ResNet. Surplus are the classifier, its norm, and the stages that this network lacks.
        stages = [f"layers.{level}." for level in range(len(depths), 4)]
        self.surplus = ("head.", "norm.", f"layers.{len(depths) - 1}.downsample.", *stages)
        self.added, self.replaced = tuple(f"{name}." for name in self.norms), ()
        if positions:
            self.added += ("absolute_pos_embed",)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(b, 3, h, w) -> features (b, c, h', w') of the stem and of each stage, finest first."""
        x = functional.pad(x, (0, -x.shape[-1] % 4, 0, -x.shape[-2] % 4))
        x = self.patch_embed.norm(self.patch_embed.proj(x).permute(0, 2, 3, 1))
        if self.absolute_pos_embed is not None:
            positions = functional.interpolate(self.absolute_pos_embed, x.shape[1:3], mode="bicubic")
            x = x + positions.permute(0, 2, 3, 1)
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


def drop_buffers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop the tables that this module computes itself from a checkpoint."""
    return {name: tensor for name, tensor in state.items() if not name.endswith(BUFFERS)}


class Stage(nn.Module):
    """The blocks of one stage, and the patch merging after all stages but the last."""

    def __init__(self, width: int, depth: int, window: int, *, last: bool):
        super().__init__()
        self.blocks = nn.Sequential(*(Block(width, window, index % 2 * (window // 2)) for index in range(depth)))
        self.downsample = None if last else Merging(width)


class Block(nn.Module):
    """Window attention and a two-layer perceptron, each with a residual connection."""

    def __init__(self, width: int, window: int, shift: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, window, shift)
        self.norm2 = nn.LayerNorm(width)
        layers = {"fc1": nn.Linear(width, 4 * width), "act": nn.GELU(), "fc2": nn.Linear(4 * width, width)}
        self.mlp = nn.Sequential(OrderedDict(layers))

    def forward(self, x: Tensor) -> Tensor:
        """(b, h, w, c) -> (b, h, w, c)."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Merging(nn.Module):
    """Merge each 2 x 2 tokens into one."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(b, h, w, c) -> (b, ceil(h / 2), ceil(w / 2), 2c)."""
        x = functional.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        b, h, w, c = x.shape
        x = x.view(b, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 4, 2, 5)  # columns before rows, as the authors'
        return self.reduction(self.norm(x.reshape(b, h // 2, w // 2, 4 * c)))


class Attention(nn.Module):
    """Self-attention within windows, on a grid that is first shifted by `shift` tokens up and left."""

    def __init__(self, width: int, window: int, shift: int):
        super().__init__()
        self.window, self.shift = window, shift
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, width // HEAD))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(b, h, w, c) -> (b, h, w, c)."""
        grid = _grid(x.shape[:3], self.window, self.shift, x.device)
        qkv = self.qkv(x).flatten(0, 2)
        if grid.padded:  # one token of zeros stands for all padding; its own output is dropped
            qkv = torch.cat((qkv, self.qkv.bias[None]))
        qkv = qkv[grid.order].view(-1, self.window**2, 3, x.shape[3] // HEAD, HEAD).permute(2, 0, 3, 1, 4)
        # bias[head, i, j] belongs to the offset from token j to token i.
        bias = self.relative_position_bias_table.T[:, grid.bias_index][None]
        attended, first = [], 0
        for count, mask in grid.masks:
            logits = bias if mask is None else bias + mask
            attended.append(functional.scaled_dot_product_attention(*qkv[:, first : first + count], attn_mask=logits))
            first += count
        return self.proj(torch.cat(attended).transpose(1, 2).flatten(0, 1).flatten(1)[grid.back].view(x.shape))


class Grid(NamedTuple):
    """The assignment of a batch's tokens to windows; windows with the same mask follow one another.

    Attributes:
        order: int64. For each place of each window the index of its token in the batch.
        back: int64 (b * h * w). For each token its place.
        padded: Whether some places have no token; their index in `order` is b * h * w.
        masks: For each run of windows with the same mask their number, and the mask to add to their logits,
            (window**2, window**2).
        bias_index: int64 (window**2, window**2). For each pair of tokens the row of the table of biases.
    """

    order: Tensor
    back: Tensor
    padded: bool
    masks: list[tuple[int, Tensor | None]]
    bias_index: Tensor


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # training uses the cached tensors too
def _grid(shape: tuple[int, int, int], window: int, shift: int, device: torch.device) -> Grid:
    b, h, w = shape
    rows, columns = -(-h // window), -(-w // window)
    tokens = torch.full((b, rows * window, columns * window), b * h * w)
    tokens[:, :h, :w] = torch.arange(b * h * w).view(b, h, w)
    tokens = tokens.roll((-shift, -shift), (1, 2)).view(b, rows, window, columns, window).permute(1, 3, 0, 2, 4)
    y, x = (side.flatten() for side in torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij"))
    if shift:  # windows of the last row and column hold tokens from opposite sides of the image
        runs = [tokens[:-1, :-1].flatten(0, 1), tokens[:-1, -1], tokens[-1, :-1], tokens[-1, -1:]]
        right, below = x >= window - shift, y >= window - shift
        sides = (right, below, right + 2 * below)
        masks = [None, *(MASKED * (side[:, None] != side).float().to(device) for side in sides)]
    else:
        runs, masks = [tokens.flatten(0, 1)], [None]
    order = torch.cat([run.flatten() for run in runs])
    back = torch.empty(b * h * w + 1, dtype=torch.int64)
    back[order] = torch.arange(order.numel())
    bias_index = (y[:, None] - y + window - 1) * (2 * window - 1) + x[:, None] - x + window - 1
    counted = [(len(run) * b, mask) for run, mask in zip(runs, masks, strict=True) if len(run)]
    return Grid(
        order=order.to(device),
        back=back[:-1].to(device),
        padded=order.numel() > b * h * w,
        masks=counted,
        bias_index=bias_index.to(device),
    )
