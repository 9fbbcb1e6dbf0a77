"""What a network costs beside time: parameters, operations, memory. Nothing here loads torch where it is not in use."""

import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

_MOVES = {"_to_copy", "_unsafe_view", "cat", "clone", "copy_", "empty", "full", "lift_fresh", "stack", "zeros", "ones"}

_PRODUCTS = re.compile(r"attention|(conv(olution)?|mm|mv|dot|matmul)(?![a-z])|(?<![a-z])linear(?![a-z\d])")


def list_products(operators: Iterable[str]) -> list[str]:
    """Those of operators that are products of matrices, convolutions or attention, by their names."""
    return [name for name in operators if _PRODUCTS.search(name)]


def count_parameters(owner: Any) -> int:
    """Of all networks that an object holds as attributes, each once; 0 without torch."""
    torch = sys.modules.get("torch")
    if torch is None:
        return 0
    modules = [value for value in vars(owner).values() if isinstance(value, torch.nn.Module)]
    return sum(p.numel() for p in {id(p): p for module in modules for p in module.parameters()}.values())


def count_flops(function: Callable[[], Any]) -> tuple[int | None, list[str]]:
    """Floating-point operations of a call, and the operators whose work is not among them; None without torch.

    Counted are matrix products, convolutions and attention, as torch's FlopCounterMode does; what a compiled network
    does is counted before it is compiled. Of the others, `products` come first.
    """
    if "torch" not in sys.modules:
        return None, []
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import FlopCounterMode, flop_registry

    class Names(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.seen: set[str] = set()

        def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
            packet = operator._overloadpacket
            if packet not in flop_registry and not operator.is_view and packet.__name__ not in _MOVES:
                self.seen.add(packet.__name__)
            return operator(*args, **(kwargs or {}))

    with torch.compiler.set_stance("force_eager"), Names() as names, FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops(), sorted(names.seen, key=lambda name: (not list_products([name]), name))


def reset_peak_memory(device: str) -> None:
    """Begin to look for the peak of `peak` anew; that of a process on the CPU cannot be reset."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def read_peak_memory(device: str) -> dict[str, int]:
    """Bytes: allocated and reserved on CUDA, else the most that the process ever had resident."""
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
