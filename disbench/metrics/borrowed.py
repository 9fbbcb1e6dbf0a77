"""Memory for the intermediate results of one measurement, which each thread keeps for the next one."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

MAX_KEPT = 64 * 2**20  # bytes of the largest array that is kept

_kept = threading.local()


@contextmanager
def borrow_array(shape: tuple[int, int]) -> Iterator[np.ndarray]:
    """Lend an array of arbitrary levels, uint8 (h, w).

    A new one would cost as much time as its use, since the system clears and maps the pages of each large array.
    """
    free, size = vars(_kept).setdefault("free", []), math.prod(shape)
    memory = free.pop() if free else np.empty(size, np.uint8)
    if memory.size < size:
        memory = np.empty(size, np.uint8)
    yield memory[:size].reshape(shape)
    if memory.size <= MAX_KEPT:
        free.append(memory)
