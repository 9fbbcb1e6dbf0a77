"""The device that a network runs on."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from disbench.errors import InputError

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def pick(name: str | None) -> str:
    """The device of that name, or the best there is; InputError for one that is not on this machine."""
    keep_memory()
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


@contextmanager
def matmul_precision(name: str) -> Iterator[None]:
    """torch's setting for float32 matrix products, in this block alone: it is one for the whole process."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def keep_memory() -> None:
    """Have glibc keep up to 2 GiB of freed memory in this process. Elsewhere nothing is done.

    Else each large activation is mapped, cleared page by page and unmapped again: DiffDIS-Mini at 768 pixels takes 1.57
    times as much CPU time on one thread without this, and a fifth less memory (benchmarks/freed_memory.py).
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
