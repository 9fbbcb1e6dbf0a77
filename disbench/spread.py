"""A run on several devices of one machine: a process for each, which needs nothing of the others."""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any

from disbench.data import DataSet
from disbench.data.digests import Progress
from disbench.errors import InputError
from disbench.runs import Result, load
from disbench.shares import Share

LOOK = 0.5  # seconds between two looks at how far the processes are

_told: Any = None  # in a child: the queue to its parent


def run(
    model: str,
    dataset: DataSet,
    weights: str | None,
    devices: Sequence[str],
    share: Share,
    progress: Progress | None,
    *rest: Any,
) -> Result | None:
    """`evaluate.run_model` with a part of the share on each device; `rest`: options, out, save, workers and on.

    InputError where a process fails, when the others have done their parts: nothing that was measured is lost.
    """
    context = get_context("spawn")  # a forked process cannot use CUDA
    told = context.SimpleQueue()
    states: dict[str, dict[int, tuple[int, int]]] = {}
    with ProcessPoolExecutor(len(devices), context, _begin, (told,)) as pool:
        parts = [
            pool.submit(_part, i, model, dataset, weights, device, share.part(i, len(devices)), *rest)
            for i, device in enumerate(devices)
        ]
        left = set(parts)
        while left:
            left = wait(left, LOOK).not_done
            while not told.empty():
                i, what, *state = told.get()
                states.setdefault(what, {})[i] = state
                if progress:
                    done, total = map(sum, zip(*states[what].values(), strict=True))
                    progress(done, total, what)
        try:
            folders = [part.result() for part in parts]
        except BrokenProcessPool:
            raise InputError(
                f"a process on one of {', '.join(devices)} died, as for lack of memory; the same command goes on"
            ) from None
    folder = next(filter(None, folders), None)  # of the one that ended last, unless other shares are missing
    return folder and load(folder)


def _begin(told) -> None:
    global _told
    _told = told
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent cannot tell its children to stop."""
    connection.wait([parent_process().sentinel])
    os._exit(1)


def _part(
    i: int, model: str, dataset: DataSet, weights: str | None, device: str, share: Share, options: dict, *rest: Any
) -> Path | None:
    from disbench.evaluate import run_model

    out, save, workers, protocol, metrics = rest

    def progress(done: int, total: int, what: str) -> None:
        _told.put((i, what, done, total))

    result = run_model(model, dataset, weights, device, options, out, save, workers, progress, protocol, metrics, share)
    return result and result.folder
