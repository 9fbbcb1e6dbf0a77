"""Record the work of a CUDA device once for each shape of its inputs, and replay it: one launch for all kernels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

WARM_UPS = 3  # calls before a recording, in which libraries choose their kernels, as torch's documentation advises
Outputs = tuple[Tensor | None, ...]


@dataclass(frozen=True)
class Recording:
    """A CUDA graph with the tensors that it reads and writes at each replay."""

    graph: Any
    inputs: tuple[Tensor, ...]
    outputs: Outputs


class Recorder:
    """Calls functions of tensors by CUDA graphs, whose intermediate results share their memory.

    Args:
        cuda: torch.cuda, or an object that behaves like it.
    """

    def __init__(self, cuda: Any = torch.cuda):
        self.cuda = cuda
        self.pool = cuda.graph_pool_handle()
        self.recordings: dict[Any, Recording] = {}

    @torch.inference_mode()
    def call(self, function: Callable[..., Outputs], *inputs: Tensor, key: Any = None) -> Outputs:
        """Return what `function(*inputs)` returns.

        Args:
            function: does all its work on the device, and waits for none of it.
            *inputs: tensors on the device.
            key: whatever else decides the result. Calls of one key and one list of shapes share a recording.
        """
        full_key = key, *((x.shape, x.dtype) for x in inputs)
        with self.cuda.device(inputs[0].device):
            if full_key not in self.recordings:
                self.recordings[full_key] = self._record(function, inputs)
            recording = self.recordings[full_key]
            for static, x in zip(recording.inputs, inputs, strict=True):
                static.copy_(x)
            recording.graph.replay()
            return tuple(None if x is None else x.clone() for x in recording.outputs)  # the next replay overwrites them

    def _record(self, function: Callable[..., Outputs], inputs: tuple[Tensor, ...]) -> Recording:
        static = tuple(x.clone() for x in inputs)
        stream = self.cuda.Stream()
        stream.wait_stream(self.cuda.current_stream())
        with self.cuda.stream(stream):
            for _ in range(WARM_UPS):
                function(*static)
        self.cuda.current_stream().wait_stream(stream)
        graph = self.cuda.CUDAGraph()
        # Other threads may copy meanwhile, since only this one is recorded.
        with self.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
            outputs = function(*static)
        return Recording(graph, static, outputs)
