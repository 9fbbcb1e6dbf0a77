"""Count the work of a network on CUDA without a GPU: on the meta device, where tensors have shapes, but no values."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch._C import DispatchKey
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import FlopCounterMode

ATEN = torch.ops.aten
LAST = torch.channels_last
# The functions of these networks that autocast computes in the lower precision, and in float32.
LOWER = {functional.conv2d, functional.linear, functional.scaled_dot_product_attention}
FULL = {functional.group_norm, functional.layer_norm, torch.linalg.vector_norm}
NO_KERNEL = ("empty", "new_empty", "detach", "lift", "_unsafe_view")  # beginnings of names of operators
MAX_FLASH_WIDTH = 256  # channels of a head that flash attention takes


@dataclass
class Work:
    """The work of a call.

    Attributes:
        flops: operations of matrix products, convolutions and attention; a multiplication and an addition are two.
        launches: operators that start a kernel, and the copies that they make first.
        moved: bytes that these read and write, as if nothing stayed in a cache.
        layouts: bytes of copies between channels first and channels last.
        precisions: bytes of copies between dtypes.
        weights: copies of weights between dtypes.
        uploads: copies from the host, which a CUDA graph cannot have.
        attention: whether flash attention takes a call, or why not -> number of calls.
    """

    flops: int = 0
    launches: int = 0
    moved: int = 0
    layouts: int = 0
    precisions: int = 0
    weights: int = 0
    uploads: int = 0
    attention: Counter[str] = field(default_factory=Counter)


def count_work(function: Callable[[], Any], network_weights: Iterable[Tensor] = ()) -> Work:
    """Count the work of a call in torch's eager mode; its tensors are on the meta device."""
    counter = _Counter({id(weight) for weight in network_weights})
    with _imitated_autocast(), FlopCounterMode(display=False) as flops, counter:
        function()
    counter.work.flops = flops.get_total_flops()
    return counter.work


@contextmanager
def _imitated_autocast() -> Iterator[None]:
    """Let torch.autocast do on the meta device what it does on CUDA."""
    dtypes: list[torch.dtype | None] = [None]  # of the contexts that are open; None: disabled

    @contextmanager
    def autocast(kind: str, dtype: torch.dtype | None = None, enabled: bool = True) -> Iterator[None]:
        dtypes.append(dtype if enabled else None)
        yield
        dtypes.pop()

    class Autocast(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if dtypes[-1] is not None and function in LOWER | FULL:
                dtype = dtypes[-1] if function in LOWER else torch.float32
                args, kwargs = tree_map_only(Tensor, lambda x: x.to(dtype), (args, kwargs))
            return function(*args, **(kwargs or {}))

    with patch("torch.autocast", autocast), Autocast():
        yield


class _Counter(TorchDispatchMode):
    def __init__(self, network_weights: set[int]):
        super().__init__()
        self.network_weights = network_weights
        self.work = Work()

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if operator is ATEN.scaled_dot_product_attention.default:
            self.work.attention[_judge_attention(*args, **kwargs)] += 1
        elif operator is not ATEN.linear.default and _is_composite(operator):
            with self:
                return operator._op_dk(DispatchKey.CompositeImplicitAutograd, *args, **kwargs)
        output = operator(*args, **kwargs)
        kwargs.pop("out", None)
        inputs, outputs = ([x for x in tree_leaves(each) if _is_counted(x)] for each in ((args, kwargs), output))
        name = operator._overloadpacket.__name__
        if operator.is_view or name.startswith(NO_KERNEL) or not outputs:
            return output
        self._add(*inputs, *outputs)
        match name:
            case "_to_copy" if not inputs:
                self.work.uploads += 1
            case "_to_copy" if inputs[0].dtype != outputs[0].dtype:
                self.work.precisions += _bytes(inputs[0]) + _bytes(outputs[0])
                self.work.weights += id(inputs[0]) in self.network_weights
            case "_to_copy" | "clone" if inputs[0].stride() != outputs[0].stride():
                self.work.layouts += 2 * _bytes(inputs[0])
            case "native_group_norm":  # computes channels first
                self._convert(inputs[0], torch.contiguous_format)
                return outputs[0].contiguous(), *outputs[1:]
            case "convolution" if any(x.is_contiguous(memory_format=LAST) for x in inputs[:2]):  # as cuDNN does then
                self._convert(inputs[0], LAST)
                return output.to(memory_format=LAST)
        return output

    def _add(self, *tensors: Tensor) -> None:
        self.work.launches += 1
        self.work.moved += sum(map(_bytes, tensors))

    def _convert(self, x: Tensor, layout: torch.memory_format) -> None:
        """Count a copy to another layout, if x does not have it."""
        if not x.is_contiguous(memory_format=layout):
            self._add(x, x)
            self.work.layouts += 2 * _bytes(x)


def _is_composite(operator: Any) -> bool:
    """Return whether an operator of torch's own consists of others."""
    if operator.namespace != "aten":
        return False
    return torch._C._dispatch_has_kernel_for_dispatch_key(operator.name(), DispatchKey.CompositeImplicitAutograd)


def _is_counted(x: Any) -> bool:
    return isinstance(x, Tensor) and x.device.type == "meta"


def _bytes(x: Tensor) -> int:
    return x.numel() * x.element_size()


def _judge_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *_: Any, **__: Any) -> str:
    """Say whether flash attention can take a call, or why not."""
    if mask is not None:
        return "a mask"
    if query.dtype not in (torch.float16, torch.bfloat16):
        return str(query.dtype).removeprefix("torch.")
    if query.shape[-1] > MAX_FLASH_WIDTH or query.shape[-1] % 8:
        return f"heads of {query.shape[-1]} channels"
    if any(x.stride(-1) != 1 for x in (query, key, value)):
        return "strides"
    return "flash"
