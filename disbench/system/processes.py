"""Other processes: programs whose output goes to a log, and modules of disbench. They end with what started them."""

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from disbench.system.cores import count_cores
from disbench.system.variables import user_variables

SECONDS_BETWEEN_POLLS = 0.1
SECONDS_TO_STOP = 5  # that a program is given to end by itself


def run_logged(
    arguments: Sequence[str], *, folder: Path, log: Path, timeout: float, poll: Callable[[], None]
) -> int | None:
    """Run a program without a shell, and log its output.

    Args:
        arguments: the program and its arguments.
        folder: the working directory.
        log: the file that gets the command line, standard output and standard error.
        timeout: seconds that the program may take; 0 for no limit.
        poll: is called several times a second while the program runs. What it raises ends the program.

    Returns:
        The exit status, negative for a signal. None if the time was up.

    Raises:
        OSError: if the program cannot be started.
    """
    start = monotonic()
    with _exit_on_signals(), log.open("wb") as file:
        file.write(f"$ {shlex.join(arguments)}\n".encode(errors="backslashreplace"))
        file.flush()
        # A session of its own: Ctrl-C reaches only this process, which ends the program and all that it started.
        process = subprocess.Popen(
            arguments,
            cwd=folder,
            env=user_variables(),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while not timeout or monotonic() - start < timeout:
                with suppress(subprocess.TimeoutExpired):
                    return process.wait(SECONDS_BETWEEN_POLLS)
                poll()
            return None
        finally:
            _end(process)


@contextmanager
def _exit_on_signals() -> Iterator[None]:
    """Let the signals that end this process raise SystemExit, so that what it started ends with it."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():  # others cannot set handlers
        numbers = []
    numbers = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]  # nohup ignores one

    def stop(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def run_beside(module: str, *arguments: str) -> Iterator[subprocess.Popen | None]:
    """Run a module of disbench next to the block, with the same packages and in silence, and end it with the block.

    Yields the process; None without a core for it, where Python is part of another program, and where no process can be
    started.
    """
    process = None
    if sys.executable and count_cores() > 1:
        call = [sys.executable, "-P", "-m", module, *arguments]
        variables = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        null = subprocess.DEVNULL
        with suppress(OSError):
            process = subprocess.Popen(call, env=variables, stdin=null, stdout=null, stderr=null)
    if process is None:
        yield None
        return
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _end(process: subprocess.Popen) -> None:
    """End a program that still runs, with its whole process group where the system has such groups."""
    if process.poll() is not None:
        return
    _send(process, signal.SIGTERM)
    try:
        process.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        pass
    finally:  # also after a second Ctrl-C; children may outlive the program
        _send(process, getattr(signal, "SIGKILL", signal.SIGTERM))
        process.wait()


def _send(process: subprocess.Popen, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        else:
            process.terminate()
