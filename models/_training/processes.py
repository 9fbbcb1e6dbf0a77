"""Several processes that train one network, started by `accelerate launch` or `torchrun`.

Each process makes its part of every batch, and gradients are averaged before each step. The weights therefore stay the
same in all processes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn

from disbench.errors import InputError
from disbench.models._parts import device as devices
from disbench.system.variables import read_count


@dataclass(frozen=True)
class Processes:
    """The place of this process among those that train together.

    Attributes:
        rank: number of this process, from 0.
        count: number of processes.
        sharded: whether each process has only its part of weights, gradients and moments.
    """

    rank: int = 0
    count: int = 1
    sharded: bool = False

    @property
    def first(self) -> bool:
        """Whether this is the process that validates and writes."""
        return self.rank == 0

    def local_slice(self, images: int) -> slice:
        """Select this process' part of a batch: equal parts, and whole pairs of neighbours, which CutMix mixes."""
        share, left = divmod(images, self.count)
        if left or share % 2:
            raise InputError(f"a batch of {images} in {self.count} processes: not an even number of images each")
        return slice(self.rank * share, (self.rank + 1) * share)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Average each tensor over the processes, in place."""
        if self.count == 1:
            return
        tensors = list(tensors)
        for work in [distributed.all_reduce(x, async_op=True) for x in tensors]:
            work.wait()
        for x in tensors:
            x /= self.count

    def agree(self, number: int, device: torch.device) -> bool:
        """Return whether all processes have the same number. `device` is that of their tensors."""
        if self.count == 1:
            return True
        moments = torch.tensor([number, number**2], dtype=torch.float64, device=device)
        self.average([moments])
        mean, mean_square = moments.tolist()
        return mean_square == mean**2


ALONE = Processes()
PATIENCE = timedelta(hours=12)  # the others wait while the first validates; NCCL's ten minutes can be too few


def join_processes(device: str | None, *, sharded: bool = False) -> tuple[str, Processes]:
    """Join the processes that the launcher, if any, has started; return the device and this process' place.

    Raises:
        InputError: if the device is missing, or only one process is to share its weights.
    """
    if read_count("WORLD_SIZE", 1) == 1:
        if sharded:
            raise InputError("--fsdp: there is only one process; start several with torchrun or accelerate launch")
        return devices.choose_device(device), ALONE
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu", timeout=PATIENCE)
    return str(state.device), Processes(state.process_index, state.num_processes, sharded)


class BatchNorm(nn.BatchNorm2d):
    """Batch norm over the rows of all processes. torch's SyncBatchNorm does this on CUDA only."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (b, c, h, w) by the statistics of all processes' rows, in training."""
        if not (self.training and distributed.is_initialized()):
            return super().forward(x)
        rows = x.float()
        mean = _Mean.apply(rows.mean((0, 2, 3), keepdim=True))
        variance = _Mean.apply((rows - mean).square().mean((0, 2, 3), keepdim=True))
        count = x.numel() / x.shape[1] * distributed.get_world_size()
        with torch.no_grad():
            self.running_mean.lerp_(mean.flatten(), self.momentum)
            self.running_var.lerp_(variance.flatten() * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight.reshape(1, -1, 1, 1) * (variance + self.eps).rsqrt()
        return ((rows - mean) * scale + self.bias.reshape(1, -1, 1, 1)).to(x.dtype)


class _Mean(torch.autograd.Function):
    """Mean over the processes. Its gradient is the mean of their gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.contiguous().clone()
        distributed.all_reduce(x)
        return x / distributed.get_world_size()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Mean.forward(ctx, gradient)
