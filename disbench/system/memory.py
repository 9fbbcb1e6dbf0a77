"""The memory of this process."""

import atexit
import ctypes
import gc
import re
import sys
from pathlib import Path

from disbench.system.cores import read_text

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # of glibc's malloc.h

ALLOCATIONS = 100_000  # of objects, between two collections


def collect_less() -> None:
    """Search this process less often for objects in circles, and not when it ends.

    Loading packages and compiling kernels makes millions of objects, of which very few are garbage.
    """
    gc.set_threshold(ALLOCATIONS)
    atexit.register(gc.freeze)


def keep_freed_memory() -> None:
    """Make glibc keep up to 2 GiB of freed memory in this process; no effect on other systems.

    By default each large array is mapped, cleared page by page and unmapped again, which costs CPU time
    (benchmarks/freed_memory.py measures it for a network).
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_ARENA_MAX, 1)  # memory of the other arenas, which threads have, is always given back


def start_peak() -> int | None:
    """Let the peak of this process's memory begin anew.

    Returns:
        The bytes in use. None: unknown, as on systems without /proc.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)  # freed memory that is kept would be used again without a trace
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return None
    return read_resident("VmRSS")


def read_resident(name: str) -> int | None:
    """Return the bytes of this process in memory: VmRSS, the present ones, or VmHWM, their peak. None: unknown."""
    match = re.search(rf"^{name}:\s+(\d+) kB$", read_text(Path("/proc/self/status")), re.MULTILINE)
    return 1024 * int(match[1]) if match else None
