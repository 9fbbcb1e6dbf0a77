"""How long a call takes on a device: its own events on CUDA, else the wall clock around a finished call.

Launching work on an accelerator returns at once. Events are stamped by the device itself, in the order of its stream;
where there are none, the clock is read only when the device has nothing left to do.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol


class Clock(Protocol):
    name: str

    def time(self, function: Callable[..., Any], *args: Any) -> tuple[Any, float]:
        """What `function(*args)` gives, complete, and its seconds."""


class WallClock:
    """Of the host; `synchronise` waits until the device has finished."""

    name = "wall"

    def __init__(self, synchronise: Callable[[], None] = lambda: None):
        self.synchronise = synchronise

    def time(self, function, *args):
        self.synchronise()
        start = perf_counter()
        result = function(*args)
        self.synchronise()
        return result, perf_counter() - start


class EventClock:
    """Of a CUDA device; `cuda` is torch.cuda, or what behaves like it."""

    name = "events"

    def __init__(self, cuda: Any, device: str):
        self.cuda, self.device = cuda, device

    def time(self, function, *args):
        with self.cuda.device(self.device):
            start, end = (self.cuda.Event(enable_timing=True) for _ in range(2))
            self.cuda.synchronize()  # nothing of an earlier call is left in the stream before the first stamp
            start.record()
            result = function(*args)
            end.record()
            end.synchronize()
            return result, start.elapsed_time(end) / 1000  # from milliseconds


def make_clock(device: str) -> Clock:
    """The clock of "cpu", "cuda", "cuda:1" or "mps"."""
    if device == "cpu":
        return WallClock()
    import torch

    return EventClock(torch.cuda, device) if device.startswith("cuda") else WallClock(torch.mps.synchronize)
