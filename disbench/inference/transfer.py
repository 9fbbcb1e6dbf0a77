"""Copies of arrays between the host and a device: for CUDA through pinned memory, and on a stream of their own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


def to_host(output: Any) -> Any:
    """Return a torch tensor on the CPU, and any other array as it is."""
    if not hasattr(output, "cpu"):
        return output
    if not getattr(output, "is_cuda", False):
        return output.cpu()
    host = _allocate_pinned(output.shape, output.dtype)
    host.copy_(output)
    return host


def stack_tensors(tensors: Sequence[Any], device: str) -> Any:
    """Stack tensors of one shape on a device. The host does not wait for a copy to CUDA."""
    import torch

    if not device.startswith("cuda") or tensors[0].device.type != "cpu":  # code from outside may prepare on the device
        return torch.stack(list(tensors)).to(device)
    host = _allocate_pinned((len(tensors), *tensors[0].shape), tensors[0].dtype)
    return torch.stack(list(tensors), out=host).to(device, non_blocking=True)


def _allocate_pinned(shape: Sequence[int], dtype: Any) -> Any:
    """Allocate memory on the host that a GPU reads and writes itself. torch keeps it until copies are done."""
    import torch

    return torch.empty(tuple(shape), dtype=dtype, pin_memory=True)


@dataclass(frozen=True)
class Uploaded:
    """A batch on its way to the device, and the event that it is there."""

    batch: Any
    event: Any


class Uploader:
    """Copies batches to a CUDA device on a stream of its own, next to what the device computes.

    Args:
        cuda: torch.cuda, or an object that behaves like it.
        device: the device.
    """

    def __init__(self, cuda: Any, device: str):
        self.cuda, self.device = cuda, device
        self.stream: Any = None  # made by the thread that uploads

    def upload(self, make_batch: Callable[[], Any]) -> Uploaded:
        """Begin to copy the batch that a function makes on the device."""
        with self.cuda.device(self.device):
            self.stream = self.stream or self.cuda.Stream()
            with self.cuda.stream(self.stream):
                return Uploaded(make_batch(), self.stream.record_event())

    def receive(self, uploaded: Uploaded) -> Any:
        """Return the batch, for the stream that computes, which waits for it."""
        stream = self.cuda.current_stream(self.device)
        stream.wait_event(uploaded.event)
        batch = uploaded.batch
        for tensor in batch if isinstance(batch, tuple) else (batch,):
            tensor.record_stream(stream)  # so that its memory is not used for the next upload too early
        return batch
