"""Group norms of channels-last tensors on the CPU, and the SiLU after them, accurately.

torch adds up the values of a group one after another, in float32. The normalised values of a tensor (1, 16, 896, 896)
are wrong by up to 0.002 for that, and differ with the number of threads; here they are wrong by less than 2e-6.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise, starmap
from math import factorial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.system.compilation import make_kernel_decorator

SHARED = 1 << 22  # values of an image from which on threads share it; starting them takes a millisecond
BLOCK = 1024  # sums of neighbouring values, which fit into the processor's first cache
F32, I32, U64, ONE = np.float32, np.int32, np.uint64, np.float32(1)
LOG2_E, HALF = F32(1 / np.log(2)), F32(0.5)
LN2_HIGH = F32(0.693359375)  # 9 bits, so that its products are exact
LN2_LOW = F32(np.log(2) - 0.693359375)
LARGEST = F32(87)  # whose exponential and its inverse are normal numbers
C2, C3, C4, C5, C6, C7 = (F32(1 / factorial(k)) for k in range(2, 8))  # of the exponential's series

kernel = make_kernel_decorator(nogil=True, fastmath={"contract"}, error_model="numpy")


class GroupNorm(nn.GroupNorm):
    """torch's layer, for inference."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, ...) -> the same size."""
        return self._normalise(x, activate=False) if self._supports(x) else super().forward(x)

    def activate(self, x: Tensor) -> Tensor:
        """(b, c, ...) -> the same size, with SiLU after the norm."""
        return self._normalise(x, activate=True) if self._supports(x) else functional.silu(self(x), inplace=True)

    def _normalise(self, x: Tensor, *, activate: bool) -> Tensor:
        return normalise_groups(x, self.num_groups, self.weight, self.bias, self.eps, activate)

    def _supports(self, x: Tensor) -> bool:
        is_inference = not torch.is_grad_enabled() and not torch.compiler.is_compiling()
        is_float = self.affine and x.device.type == "cpu" and x.dtype == torch.float32
        return is_inference and is_float and x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)


@torch.library.custom_op("disbench::normalise_groups", mutates_args=(), device_types="cpu")
def normalise_groups(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float, activate: bool) -> Tensor:
    """Normalise groups of channels.

    Args:
        x: float32 (b, c, h, w), channels last.
        groups: number of groups.
        weight: factors of the channels, (c,).
        bias: summands of the channels, (c,).
        eps: is added to variances.
        activate: whether SiLU follows.

    Returns:
        A new tensor like x.
    """
    out = torch.empty_like(x)
    for image, normed in zip(x, out, strict=True):
        lines, results = (values.permute(1, 2, 0).view(image.shape[1], -1).numpy() for values in (image, normed))
        sums = np.empty((len(lines), 2, len(image)))
        _share(lines, partial(_add_up_rows, lines, sums))
        means, powers = sums.sum(0) * (len(image) / image.numel())
        variances = (powers - means**2).reshape(groups, -1)
        means = (means + lines[0, : len(image)]).reshape(groups, -1)
        deviations = np.sqrt(np.maximum(variances.mean(1) + means.var(1), 0) + eps)
        scale = weight.numpy() / np.repeat(deviations, means.shape[1])
        shift = bias.numpy() - np.repeat(means.mean(1), means.shape[1]) * scale
        factors = [np.tile(values.astype(F32), image.shape[2]) for values in (scale, shift)]
        _share(lines, partial(_scale_rows, lines, results, *factors, activate))
    return out


@normalise_groups.register_fake
def _(x: Tensor, *_: object) -> Tensor:
    return torch.empty_like(x)


def _add_up_rows(lines: np.ndarray, sums: np.ndarray, rows: slice) -> None:
    add_up(lines[rows], lines[0, : sums.shape[2]], sums[rows])


def _scale_rows(
    lines: np.ndarray, results: np.ndarray, scale: np.ndarray, shift: np.ndarray, activate: bool, rows: slice
) -> None:
    scale_lines(lines[rows], scale, shift, activate, results[rows])


def _share(lines: np.ndarray, work: Callable[[slice], None]) -> None:
    """Call work(rows) for all rows, in as many threads as torch has."""
    count = torch.get_num_threads() if lines.size >= SHARED else 1
    ends = np.linspace(0, len(lines), count + 1).astype(int)
    parts = list(starmap(slice, pairwise(ends)))
    if count == 1:
        work(parts[0])
        return
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, parts))


@kernel
def add_up(lines, first, sums):
    """Add up, for each channel, the differences to its first value, and their squares.

    Args:
        lines: float32 (h, w * c).
        first: the first value of each channel, float32 (c,). Without them, rounding would decide about small variances.
        sums: float64 (h, 2, c), for the sums of each line.
    """
    channels = first.size
    block = channels * max(1, BLOCK // channels)
    origin, values, squares = np.empty(block, F32), np.empty(block, F32), np.empty(block, F32)
    for i in range(block):
        origin[i] = first[i % channels]
    for y in range(lines.shape[0]):
        line = lines[y]
        for i in range(block):
            values[i] = squares[i] = 0
        for start in range(0, line.size, block):
            at = U64(start)  # without a sign, so that the loop becomes SIMD code
            for i in range(U64(min(block, line.size - start))):
                difference = line[at + i] - origin[i]
                values[i] += difference
                squares[i] += difference * difference
        for i in range(channels):
            sums[y, 0, i] = sums[y, 1, i] = 0
        for start in range(0, block, channels):
            for i in range(channels):
                sums[y, 0, i] += values[start + i]
                sums[y, 1, i] += squares[start + i]


@kernel
def scale_lines(lines, scale, shift, activate, out):
    """Scale and shift lines, and compute SiLU of the result, x / (1 + exp(-x)), if `activate`.

    Args:
        lines: float32 (h, n).
        scale: float32 (n,).
        shift: float32 (n,).
        activate: whether SiLU follows.
        out: float32 (h, n), for the result.
    """
    for y in range(lines.shape[0]):
        for i in range(lines.shape[1]):
            out[y, i] = lines[y, i] * scale[i] + shift[i]
        for i in range(lines.shape[1] if activate else 0):
            x = out[y, i]
            z = LARGEST if -x > LARGEST else -x
            z = -LARGEST if z < -LARGEST else z
            # exp(z) is 2^k exp(r). The bits of 2^k are those of k + 127, 23 places to the left.
            k = np.floor(z * LOG2_E + HALF)
            r = z - k * LN2_HIGH - k * LN2_LOW
            series = ((((((C7 * r + C6) * r + C5) * r + C4) * r + C3) * r + C2) * r + ONE) * r + ONE
            power = I32((I32(k) + I32(127)) << I32(23)).view(F32)
            out[y, i] = x / (ONE + series * power)
