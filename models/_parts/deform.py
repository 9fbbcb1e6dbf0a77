"""Modulated deformable convolution (DCNv2; Zhu et al., CVPR 2019): torchvision's kernel on CUDA, otherwise plain torch.

On a CPU torchvision's kernel is slower than plain torch, so it is not used there.
"""

import torch
from torch import Tensor
from torch.nn import functional

try:
    from torchvision.ops import deform_conv2d as compiled
except (ImportError, RuntimeError):  # RuntimeError: torchvision was built for another torch
    compiled = None

SAMPLES = {"cpu": 1 << 20}  # floats per chunk, which fit a CPU's cache
MANY_SAMPLES = 1 << 26  # floats per chunk on other devices, where each chunk costs kernel launches


def deform_conv2d(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """Convolve with stride 1 and same padding; each tap is moved and weighted at each pixel.

    Values between pixels are bilinear, values outside the image are 0. Coordinates are at least float32: in half
    precision they are whole numbers at best from pixel 256 on.

    Args:
        x: Input (b, c, h, w).
        offset: Shift of each tap in pixels, down and right, (b, 2 * taps, h, w).
        mask: Weight of each tap, (b, taps, h, w).
        weight: Kernel (out, c, k, k); k is odd and taps = k * k by rows.

    Returns:
        Output (b, out, h, w).
    """
    k = weight.shape[-1]
    if compiled and x.is_cuda:
        return compiled(x, offset, weight, padding=k // 2, mask=mask)
    b, c, h, w = x.shape
    precise = x.to(torch.promote_types(x.dtype, torch.float32))
    steps = torch.arange(k, dtype=precise.dtype, device=x.device) - k // 2
    down, right = offset.to(precise.dtype).view(b, k * k, 2, h, w).unbind(2)
    rows = down + steps.repeat_interleave(k)[:, None, None] + torch.arange(h, device=x.device)[:, None]
    columns = right + steps.repeat(k)[:, None, None] + torch.arange(w, device=x.device)
    grid = torch.stack((_normalise_coordinates(columns, w), _normalise_coordinates(rows, h)), -1)
    # The samples of all taps are k * k times as large as x, so rows are processed in chunks.
    chunk_rows = max(1, SAMPLES.get(x.device.type, MANY_SAMPLES) // (b * c * k * k * w))
    chunks = []
    for chunk_grid, chunk_mask in zip(grid.split(chunk_rows, 2), mask.split(chunk_rows, 2), strict=True):
        samples = functional.grid_sample(precise, chunk_grid.flatten(1, 2), align_corners=False).to(x.dtype)
        samples = samples.view(b, c, k * k, -1) * chunk_mask.flatten(2)[:, None]
        chunks.append((weight.flatten(1) @ samples.flatten(1, 2)).unflatten(2, (-1, w)))
    return torch.cat(chunks, 2)


def _normalise_coordinates(pixels: Tensor, length: int) -> Tensor:
    """Scale pixel coordinates to [-1, 1], from the outer edge of the first pixel to that of the last."""
    return (2 * pixels + 1) / length - 1
