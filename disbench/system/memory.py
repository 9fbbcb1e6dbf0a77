"""The memory of this process."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Make glibc keep up to 2 GiB of freed memory in this process; no effect on other systems.

    By default each large array is mapped, cleared page by page and unmapped again, which costs CPU time
    (benchmarks/freed_memory.py measures it for a network).
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
