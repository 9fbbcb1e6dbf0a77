"""The cores that this process may use."""

import os


def count_cores() -> int:
    """Count the cores of this process. A container or a job may have fewer than the machine."""
    affinity = getattr(os, "sched_getaffinity", None)  # missing on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1
