"""Several devices of one machine: a process on each, which computes its part of the images.

Each process loads the model on its device, receives its samples through a pipe of its own, and sends rows back. A
killed process cannot hold a lock that the others need.
"""

import os
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import connection, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Any

from disbench.data.dataset import Sample
from disbench.errors import InputError
from disbench.inference.map_folder import MapFolder
from disbench.runs.engines.base import Description, Source, check_identity
from disbench.runs.engines.threads import LocalSource, Threads
from disbench.runs.pipeline import SaveMap
from disbench.runs.row_log import Row
from disbench.runs.spec import MeasureSpec, ModelSpec

SECONDS_TO_STOP = 5  # that a process is given to end by itself


class Devices:
    """An engine with a process on each of several devices of one kind, such as ("cuda:0", "cuda:1")."""

    def __init__(self, devices: Sequence[str]):
        if len({device.split(":")[0] for device in devices}) > 1 or not all(devices):  # a run is of one kind
            raise InputError(f"--device {','.join(devices)}: give several devices of one kind, as cuda:0,cuda:1")
        self.devices = tuple(devices)

    @contextmanager
    def open(self, model: ModelSpec | MapFolder) -> Iterator[Source]:
        """See Engine."""
        if isinstance(model, MapFolder):  # nothing to compute on a device
            with Threads().open(model) as source:
                yield source
            return
        context = get_context("spawn")  # a forked process cannot use CUDA
        workers: dict[connection.Connection, BaseProcess] = {}
        try:
            for device in self.devices:
                here, there = context.Pipe()
                arguments = (there, Path.cwd(), replace(model, device=device), len(self.devices))
                process = context.Process(target=_work, args=arguments)  # not a daemon: a model may start processes
                process.start()
                there.close()  # so that a killed process is the end of the pipe
                workers[here] = process
            yield DeviceSource(self.devices, workers)
        finally:
            for pipe in workers:
                pipe.close()
            try:
                for child in workers.values():
                    child.join(SECONDS_TO_STOP)
            finally:  # also after a second Ctrl-C
                for child in workers.values():
                    child.terminate()


class DeviceSource:
    """The model in every process. Its description is that of the first."""

    def __init__(self, devices: Sequence[str], workers: Mapping[connection.Connection, BaseProcess]):
        self.workers = workers
        self.devices = dict(zip(workers, devices, strict=True))
        answers: list[Description] = [self._receive(pipe) for pipe in workers]
        self.description = answers[0]
        for device, answer in zip(devices, answers, strict=True):
            check_identity(answer.identity, self.description, f"the process on {device}")

    def rows(
        self, samples: Sequence[Sample], measures: MeasureSpec, workers: int | None, save_map: SaveMap | None
    ) -> Generator[Row, None, None]:
        """See Source."""
        count = len(self.devices)
        for index, pipe in enumerate(self.devices):
            with suppress(OSError):  # of a process that died, which is reported below
                pipe.send((samples[index::count], measures, workers, save_map))
        busy: list[Any] = list(self.devices)
        errors: list[Exception] = []
        while busy:
            ready: list[Any] = connection.wait(busy)
            for pipe in ready:
                try:
                    answer = self._receive(pipe)
                except (InputError, OSError, MemoryError) as error:  # raised when the others have done their parts
                    errors.append(error)
                    busy.remove(pipe)
                    continue
                if answer is None:
                    busy.remove(pipe)
                else:
                    yield answer
        if errors:
            raise errors[0]

    def _receive(self, pipe: connection.Connection) -> Any:
        """Receive one answer. Raises the error that the process reports, and InputError if it died."""
        try:
            answer = pipe.recv()
        except (EOFError, OSError):
            process = self.workers[pipe]
            process.join(SECONDS_TO_STOP)
            failed = (process.exitcode or 0) > 0  # negative: killed by a signal
            reason = "failed; its error is above" if failed else "was killed, possibly for lack of memory"
            raise InputError(
                f"the process on {self.devices[pipe]} {reason}; run the same command again to resume"
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def _work(pipe: connection.Connection, folder: Path, model: ModelSpec, processes: int) -> None:
    """Run in one of several processes: send the model's description, then the rows of each request, ended by None."""
    Thread(target=_end_with_parent, daemon=True).start()
    sys.stdout = sys.stderr  # what a user's model prints, as divert_prints() has it; results go through the pipe
    os.chdir(folder)  # a spawned process starts where its parent did, which may have changed folders since
    try:
        source = LocalSource(model.load(), processes)
        pipe.send(source.description)
        while True:
            samples, measures, workers, save_map = pipe.recv()
            for row in source.rows(samples, measures, workers, save_map):
                pipe.send(row)
            pipe.send(None)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):  # the parent is done, or interrupted together with this
        pass
    except (InputError, OSError, MemoryError) as error:
        with suppress(BrokenPipeError):
            pipe.send(error)


def _end_with_parent() -> None:
    """End this process with its parent: a killed parent cannot stop its children."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
