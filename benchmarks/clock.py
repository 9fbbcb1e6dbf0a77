"""The clock of all benchmarks: CPU time of this process, which other load affects less than wall time."""

import time
from collections.abc import Callable


def seconds(function: Callable[..., object], *args: object) -> float:
    """Return the CPU time of one call."""
    start = time.process_time()
    function(*args)
    return time.process_time() - start
