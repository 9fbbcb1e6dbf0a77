"""Work ahead: how many images the threads of a run may hold, bound by bytes, for all processes of a machine."""

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from disbench.errors import InputError
from disbench.system.device_memory import free_memory

MAX_BYTES = 4 << 30  # of all processes of a machine
FIRST = 2  # images ahead until the size of one is known
# The variables of torchrun and of SLURM for the number of processes on this machine.
LOCAL_COUNTS = ("LOCAL_WORLD_SIZE", "SLURM_STEP_TASKS_PER_NODE", "SLURM_NTASKS_PER_NODE")


class AheadLimit:
    """The number of images that may be ahead. Grows once the size of an image is known.

    Args:
        most: the largest number, whatever their size.
        processes: processes that this one shares the memory with, itself included.
    """

    def __init__(self, most: int, processes: int = 1):
        free = free_memory()
        self.most = most
        self.bytes = (MAX_BYTES if free is None else min(MAX_BYTES, free // 4)) // max(processes, count_launched())
        self.largest = 0

    def observe(self, item: Any) -> None:
        """Note the size of an image that is ahead, an array or a tuple of arrays."""
        self.largest = max(self.largest, count_bytes(item))

    @property
    def count(self) -> int:
        """The number of images that may be ahead now, at least 1."""
        if not self.largest:
            return min(self.most, FIRST)
        return max(1, min(self.most, self.bytes // self.largest))


def count_bytes(item: Any) -> int:
    """Count the bytes of an array of NumPy or torch, or of a tuple of arrays; 0 for anything else."""
    if isinstance(item, tuple):
        return sum(map(count_bytes, item))
    return getattr(item, "nbytes", 0)


def count_launched() -> int:
    """Count the processes that torchrun or srun started on this machine; 1 without them."""
    numbers = [re.match(r"\d+", os.environ.get(name, "")) for name in LOCAL_COUNTS]  # srun writes 4(x2) for two nodes
    return max([1, *(int(number[0]) for number in numbers if number)])


def map_ahead(
    pool: ThreadPoolExecutor, function: Callable, items: Iterable, count_ahead: Callable[[], int]
) -> Iterator[Any]:
    """Map in order, as many items ahead as `count_ahead` says at the moment, in the pool's threads.

    An InputError is raised after the items that are in flight, whose results it does not concern.
    """
    pending: deque[Future] = deque()
    fault: InputError | None = None
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            while len(pending) > count_ahead():
                yield pending.popleft().result()
    except InputError as error:
        fault = error
    while pending:
        try:
            result = pending.popleft().result()
        except InputError as error:
            fault = fault or error
        else:
            yield result
    if fault:
        raise fault
