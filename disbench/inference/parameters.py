"""The number of parameters of a method. Torch is used only if it is loaded."""

import sys
from typing import Any


def count_parameters(owner: Any) -> int:
    """Count the parameters of all networks that an object has as attributes, each once. Returns 0 without torch."""
    torch = sys.modules.get("torch")
    if torch is None:
        return 0
    modules = [value for value in getattr(owner, "__dict__", {}).values() if isinstance(value, torch.nn.Module)]
    parameters = {id(parameter): parameter for module in modules for parameter in module.parameters()}
    return sum(parameter.numel() for parameter in parameters.values())
