"""The cores that this process may use."""

import os


def count_cores() -> int:
    """Cores that this process may use, which in a container or a job are fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1
