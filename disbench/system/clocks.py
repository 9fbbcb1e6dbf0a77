"""Clocks of devices: CUDA's own events, or the wall clock around a finished call.

Launching work on an accelerator returns at once. The device stamps events itself, in the order of its stream. Where
there are no events, the clock is read only when the device has nothing left to do.
"""

from collections.abc import Callable
from importlib.util import find_spec
from time import perf_counter
from typing import Any, Protocol


class Clock(Protocol):
    """Measures how long a call takes on a device."""

    name: str

    def time(self, function: Callable[..., Any], *args: Any) -> tuple[Any, float]:
        """Call `function(*args)`. Returns its finished result and the seconds that it took."""


class WallClock:
    """The clock of the host; `synchronise` waits until the device has finished."""

    name = "wall"

    def __init__(self, synchronise: Callable[[], None] = lambda: None):
        self.synchronise = synchronise

    def time(self, function: Callable[..., Any], *args: Any) -> tuple[Any, float]:
        """See Clock."""
        self.synchronise()
        start = perf_counter()
        result = function(*args)
        self.synchronise()
        return result, perf_counter() - start


class EventClock:
    """The clock of a CUDA device; `cuda` is torch.cuda, or an object that behaves like it."""

    name = "events"

    def __init__(self, cuda: Any, device: str):
        self.cuda, self.device = cuda, device

    def time(self, function: Callable[..., Any], *args: Any) -> tuple[Any, float]:
        """See Clock."""
        with self.cuda.device(self.device):
            start, end = (self.cuda.Event(enable_timing=True) for _ in range(2))
            self.cuda.synchronize()  # so that no work of an earlier call is left in the stream before the first stamp
            start.record()
            result = function(*args)
            end.record()
            end.synchronize()
            return result, start.elapsed_time(end) / 1000  # from milliseconds


def make_clock(device: str) -> Clock:
    """Make the clock of "cpu", "cuda", "cuda:1" or "mps"."""
    if device == "cpu" or find_spec("torch") is None:  # without torch, nothing runs when a call has returned
        return WallClock()
    import torch

    if device.startswith("cuda") and not torch.cuda.is_available():  # another library uses the device
        return WallClock()

    return EventClock(torch.cuda, device) if device.startswith("cuda") else WallClock(torch.mps.synchronize)
