"""The device that a network runs on."""

import os

import torch

from disbench.errors import InputError


def pick(name: str | None) -> str:
    """The device of that name, or the best there is; InputError for one that is not on this machine."""
    if name is None:
        if torch.cuda.is_available():
            local = os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID")  # one of several on this machine
            return f"cuda:{int(local) % torch.cuda.device_count()}" if local else "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # AssertionError: a torch built without CUDA
        raise InputError(f"--device {name}: not on this machine ({error})") from None
    return name
