"""The cost of a network apart from time: operations and memory. Torch is used only if it is loaded."""

import re
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

# Operators that move or allocate data and compute nothing.
_MOVES = {"_to_copy", "_unsafe_view", "cat", "clone", "copy_", "empty", "full", "lift_fresh", "stack", "zeros", "ones"}

_PRODUCTS = re.compile(r"attention|(conv(olution)?|mm|mv|dot|matmul)(?![a-z])|(?<![a-z])linear(?![a-z\d])")


def list_products(operators: Iterable[str]) -> list[str]:
    """Select the operators that are matrix products, convolutions or attention, by their names."""
    return [name for name in operators if _PRODUCTS.search(name)]


def count_flops(function: Callable[[], Any]) -> tuple[int | None, list[str]]:
    """Count the floating-point operations of a call.

    Matrix products, convolutions and attention are counted, as in torch's FlopCounterMode. A compiled network is
    counted as it is before compilation.

    Returns:
        The number of operations, or None without torch, and the operators that were not counted, products first.
    """
    if "torch" not in sys.modules:
        return None, []
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import FlopCounterMode, flop_registry

    class UncountedOperators(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.names: set[str] = set()

        def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
            packet = operator._overloadpacket
            if packet not in flop_registry and not operator.is_view and packet.__name__ not in _MOVES:
                self.names.add(packet.__name__)
            return operator(*args, **(kwargs or {}))

    set_stance = getattr(torch.compiler, "set_stance", None)  # from torch 2.6 on
    with (
        set_stance("force_eager") if set_stance else nullcontext(),
        UncountedOperators() as uncounted,
        FlopCounterMode(display=False) as counter,
    ):
        function()
    return counter.get_total_flops(), sorted(uncounted.names, key=lambda name: (not list_products([name]), name))


def reset_peak_memory(device: str) -> None:
    """Start measuring the peak memory of a CUDA device. The peak of a process on the CPU cannot be reset."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def read_peak_memory(device: str) -> dict[str, int]:
    """Return peak bytes: "allocated" and "reserved" on CUDA, otherwise "resident" since the process began."""
    if device.startswith("cuda"):
        import torch

        return {
            "allocated": torch.cuda.max_memory_allocated(device),
            "reserved": torch.cuda.max_memory_reserved(device),
        }
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return {}
    unit = 1 if sys.platform == "darwin" else 1024
    return {"resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
