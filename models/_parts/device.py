"""The device that a network runs on, and process-wide settings of torch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from disbench.errors import InputError
from disbench.system.memory import keep_freed_memory
from disbench.system.variables import read_count


def choose_device(name: str | None) -> str:
    """Return the named device, or by default the best one of this machine; InputError if the device is missing."""
    keep_freed_memory()
    if name is None:
        if torch.cuda.is_available():
            local = next((name for name in ("LOCAL_RANK", "SLURM_LOCALID") if os.environ.get(name)), None)
            # The rank on this machine.
            return f"cuda:{read_count(local, 0) % torch.cuda.device_count()}" if local else "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch was built without CUDA
        raise InputError(f"--device {name}: not on this machine ({error})") from None
    return name


@contextmanager
def matmul_precision(name: str) -> Iterator[None]:
    """Set torch's precision of float32 matrix products within the block; the setting is global to the process."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
