"""The networks of a method, and the number of their parameters. Torch is used only if it is loaded."""

import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any


def count_parameters(owner: Any) -> int:
    """Count the parameters of the networks of an object, each once. Returns 0 without torch."""
    parameters = {id(parameter): parameter for network in list_networks(owner) for parameter in network.parameters()}
    return sum(parameter.numel() for parameter in parameters.values())


def list_networks(owner: Any) -> Iterator[Any]:
    """List the networks of torch that are attributes of an object, or of a dataclass in it."""
    if "torch" not in sys.modules:
        return
    for value in getattr(owner, "__dict__", {}).values():
        if isinstance(value, sys.modules["torch"].nn.Module):
            yield value
        elif is_dataclass(value) and not isinstance(value, type):
            yield from list_networks(value)
