"""Ctrl-C and SIGTERM in a training wait for the end of its step, so that its checkpoint can be written first."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GOES_ON = "the same command goes on from there"
_TOLD = b"\ninterrupted; this step is finished and kept first, another signal ends at once\n"


class Interrupted(KeyboardInterrupt):
    """Says how far the training is kept."""


@contextmanager
def held_back() -> Iterator[Callable[[], bool]]:
    """In the block a first signal ends nothing: the function that it is given answers from then on True.

    A second one acts as ever. The block then raises Interrupted, or this does at its end, and SIGTERM still ends the
    process as it does others. What is ignored stays so; threads but the main one, which get no signals, hold none back.
    """
    came: list[int] = []
    heard = threading.current_thread() is threading.main_thread()
    handlers = {one: signal.getsignal(one) for one in SIGNALS if heard}
    before = {one: handler for one, handler in handlers.items() if handler not in (signal.SIG_IGN, None)}

    def restore() -> None:
        for one, handler in before.items():
            signal.signal(one, handler)

    def note(number: int, _) -> None:
        came.append(number)
        restore()
        if os.environ.get("RANK", "0") == "0":
            os.write(2, _TOLD)  # print may not be called where the signal may have come in the midst of another

    for one in before:
        signal.signal(one, note)
    try:
        yield lambda: bool(came)
        if came:
            raise Interrupted(f"the last step is kept, {GOES_ON}")
    except Interrupted:
        restore()
        if came == [signal.SIGTERM]:
            signal.raise_signal(signal.SIGTERM)
        raise
    finally:
        restore()
