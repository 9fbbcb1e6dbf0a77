"""Batches made before their steps need them: in a thread, or in processes of torch's DataLoader."""

import multiprocessing
import os
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from disbench.errors import InputError
from disbench.models._training.processes import Processes
from disbench.models._training.task import Task
from disbench.system.cores import count_cores

MAX_WORKERS = 4  # by default, per training process
START_METHOD = "fork"  # pictures in memory are shared, not copied


def choose_workers(requested: int | None, device: str, processes: Processes) -> int:
    """Return the number of processes that make batches for one training process.

    Args:
        requested: the user's number. None: none, unless a GPU computes; then one per core, MAX_WORKERS at most.
        device: the device of the training.
        processes: the processes that train together, which share the cores.

    Raises:
        InputError: if processes are requested on a system that cannot fork.
    """
    can_fork = START_METHOD in multiprocessing.get_all_start_methods()
    if requested and not can_fork:
        raise InputError(f"--workers {requested}: this system cannot fork processes; omit it")
    if requested is not None:
        return requested
    if not can_fork or not device.startswith("cuda"):
        return 0
    return min(MAX_WORKERS, count_cores() // processes.count)


def load_batches(task: Task, numbers: range, device: torch.device) -> Generator[Any, None, None]:
    """Yield the batches of some numbers in their order, which does not depend on the number of workers.

    While a batch is in use, the next one is prepared in a thread, and each worker makes or holds one more.

    Raises:
        InputError: as making the batch did.
    """
    batches: Iterator[Any] = map(task.batch, numbers)
    if task.workers and numbers:
        batches = _start_workers(task, numbers, device)

    def take() -> Any:
        batch = next(batches)
        if isinstance(batch, InputError):
            raise batch
        return task.prepare(batch)

    try:
        with ThreadPoolExecutor(1) as pool:
            upcoming = pool.submit(take)
            for number in numbers:
                batch = upcoming.result()
                if number < numbers[-1]:
                    upcoming = pool.submit(take)
                yield batch
    finally:
        batches = iter(())  # ends the processes even while a traceback refers to this frame


@contextmanager
def report_lost_workers() -> Iterator[None]:
    """Turn DataLoader's error for a process that was killed, as for lack of memory, into an InputError."""
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        reason = str(error).partition("\n")[0].rstrip(". ")
        raise InputError(
            f"a process that loads pictures ended ({reason}); there may be too little memory or /dev/shm: give fewer "
            "--workers, or 0 to load in a thread, and run the same command again to resume"
        ) from error.with_traceback(None)  # which would keep the other processes alive


class _Batches(Dataset):
    """The batches by their numbers. An InputError is returned, since DataLoader would add a traceback to it."""

    def __init__(self, task: Task):
        self.task = task

    def __getitem__(self, number: int) -> Any:
        try:
            return self.task.batch(number)
        except InputError as error:
            return error


def _start_workers(task: Task, numbers: range, device: torch.device) -> Iterator[Any]:
    """Start the processes. Call it in the main thread, which then learns of a process that was killed."""
    loader = DataLoader(
        _Batches(task),
        batch_size=None,
        sampler=numbers,
        num_workers=task.workers,
        prefetch_factor=1,
        pin_memory=device.type == "cuda",
        worker_init_fn=_leave_group,
        multiprocessing_context=START_METHOD,
        generator=torch.Generator(),  # torch's global one would be drawn from otherwise
    )
    return iter(loader)


def _leave_group(worker: int) -> None:
    """Keep Ctrl-C and a launcher's signals, which reach whole groups, from a worker: the training ends it itself."""
    os.setsid()
