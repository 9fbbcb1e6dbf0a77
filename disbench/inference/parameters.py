"""The number of parameters of a method. Torch is used only if it is loaded."""

import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any


def count_parameters(owner: Any) -> int:
    """Count the parameters of all networks that an object, or a dataclass in it, has as attributes, each once.

    Returns 0 without torch.
    """
    if "torch" not in sys.modules:
        return 0
    parameters = {id(parameter): parameter for module in _list_networks(owner) for parameter in module.parameters()}
    return sum(parameter.numel() for parameter in parameters.values())


def _list_networks(owner: Any) -> Iterator[Any]:
    for value in getattr(owner, "__dict__", {}).values():
        if isinstance(value, sys.modules["torch"].nn.Module):
            yield value
        elif is_dataclass(value) and not isinstance(value, type):
            yield from _list_networks(value)
