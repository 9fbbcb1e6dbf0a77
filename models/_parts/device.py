"""The device that a network runs on."""

import torch

from disbench.errors import InputError


def pick(name: str | None) -> str:
    """The device of that name, or the best there is; InputError for one that is not on this machine."""
    if name is None:
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # AssertionError: a torch built without CUDA
        raise InputError(f"--device {name}: not on this machine ({error})") from None
    return name
