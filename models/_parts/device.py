"""The device that a network runs on, and process-wide settings of torch and glibc."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from disbench.errors import InputError
from disbench.system.variables import read_count

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


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


def keep_freed_memory() -> None:
    """Make glibc keep up to 2 GiB of freed memory in this process; no effect on other systems.

    By default each large activation is mapped, cleared page by page and unmapped again, which costs CPU time
    (benchmarks/freed_memory.py measures it).
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
