"""Run the VAE's largest layers tile by tile, to need less memory for the same result.

A tile is a band of rows, read with the rows next to it. The statistics of each norm are those of the whole picture,
unlike in diffusers' tiling, so that results differ by rounding only.
"""

from collections.abc import Callable
from functools import partial

import torch
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn
from torch.nn import functional

ROWS = 64  # of a tile, before it is enlarged
Layer = Callable[[Tensor], Tensor]


def enable_tiles(vae: AutoencoderKL) -> None:
    """Let the blocks of a VAE compute in tiles, in place. For inference only: blocks overwrite their input."""
    for block in vae.modules():
        if isinstance(block, ResnetBlock2D):
            block.forward = partial(_forward_block, block)
        elif isinstance(block, Upsample2D):
            block.forward = partial(_forward_upsampler, block)


def _forward_block(block: ResnetBlock2D, x: Tensor, temb: None = None) -> Tensor:
    """Compute (b, c', h, w) from (b, c, h, w), as ResnetBlock2D without a time embedding."""
    hidden = _in_tiles(x, _normalise(block, block.norm1, x), block.conv1)
    total = x if block.conv_shortcut is None else block.conv_shortcut(x)
    _in_tiles(hidden, _normalise(block, block.norm2, hidden), block.conv2, total=total)
    return total if block.output_scale_factor == 1 else total.div_(block.output_scale_factor)


def _forward_upsampler(block: Upsample2D, x: Tensor, output_size: None = None) -> Tensor:
    """Compute (b, c, 2h, 2w) from (b, c, h, w): nearest neighbours, then a convolution."""
    return _in_tiles(x, partial(functional.interpolate, scale_factor=2.0, mode="nearest"), block.conv, factor=2)


def _normalise(block: ResnetBlock2D, norm: nn.GroupNorm, x: Tensor) -> Layer:
    """Return the function that normalises rows of (b, c, h, w) by the statistics of all rows, and activates them."""
    moments = [torch.var_mean(group.float(), (1, 2, 3), correction=0) for group in x.chunk(norm.num_groups, dim=1)]
    size = x.shape[1] // norm.num_groups
    variance, mean = (torch.stack(values, 1).repeat_interleave(size, 1) for values in zip(*moments, strict=True))
    scale = norm.weight * (variance + norm.eps).rsqrt()
    shift = (norm.bias - mean * scale)[..., None, None]
    return lambda rows: block.nonlinearity(torch.addcmul(shift, rows.float(), scale[..., None, None]))


def _in_tiles(
    x: Tensor, change: Layer, convolve: nn.Conv2d, *, factor: int = 1, total: Tensor | None = None
) -> Tensor:
    """Change and convolve (b, c, h, w), tile by tile.

    Args:
        x: (b, c, h, w).
        change: is given rows of `x`, and may return `factor` times as many.
        convolve: 3 x 3, with padding 1.
        factor: see `change`.
        total: tensor that the result is added to, in place. None: a new one of zeros.
    """
    height = x.shape[2]
    for top in range(0, height, ROWS):
        bottom = min(top + ROWS, height)
        first, last = max(top - 1, 0), min(bottom + 1, height)
        # One row more than the tile: outside the picture it is zero, inside some of what was read is left out.
        margins = (1 - factor * (top - first), 1 - factor * (last - bottom))
        rows = functional.pad(change(x[:, :, first:last]), (1, 1, *margins))
        tile = functional.conv2d(rows, convolve.weight, convolve.bias)
        if total is None:
            total = tile.new_zeros((*tile.shape[:2], factor * height, tile.shape[3]))
        total[:, :, factor * top : factor * bottom] += tile
    assert total is not None  # since a picture has rows
    return total
