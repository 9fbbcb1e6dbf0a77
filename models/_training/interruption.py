"""Ctrl-C and SIGTERM wait for the end of a training step, so that its checkpoint is written first."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
RESUME_HINT = "run the same command again to resume"
_NOTICE = b"\ninterrupted; this step is finished and saved first, another signal ends the training at once\n"


class Interrupted(KeyboardInterrupt):
    """A training ended after a signal. The message says which step is saved."""


@contextmanager
def hold_signals() -> Iterator[Callable[[], bool]]:
    """Hold back the first signal until the block ends; yield a function that says whether one has come.

    A second signal has its usual effect. After a first one the block is to raise Interrupted; otherwise this does at
    its end. SIGTERM then still ends the process as usual. Ignored signals stay ignored. Threads other than the main
    one receive no signals and hold none back.
    """
    received: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in SIGNALS if is_main}
    replaced = {number: handler for number, handler in handlers.items() if handler not in (signal.SIG_IGN, None)}

    def restore() -> None:
        for number, handler in replaced.items():
            signal.signal(number, handler)

    def note(number: int, _: object) -> None:
        received.append(number)
        restore()
        if os.environ.get("RANK", "0") == "0":
            os.write(2, _NOTICE)  # print is not reentrant, and the signal may have come within another print

    for number in replaced:
        signal.signal(number, note)
    try:
        yield lambda: bool(received)
        if received:
            raise Interrupted(f"the last step is saved; {RESUME_HINT}")
    except Interrupted:
        restore()
        if received == [signal.SIGTERM]:
            signal.raise_signal(signal.SIGTERM)
        raise
    finally:
        restore()
