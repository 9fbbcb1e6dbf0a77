"""The cores that this process may use: those of the machine, of its affinity and of its container's quota."""

import math
import os
from pathlib import Path, PurePosixPath

Quota = tuple[str, str]  # microseconds of CPU time in each period, and the period, as control files say them


def count_cores() -> int:
    """Count the cores of this process. A container or a job may have fewer than the machine.

    A quota of 1.5 cores counts as 2.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # missing on macOS and Windows
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = read_cpu_quota()
    return cores if quota is None else min(cores, math.ceil(quota))


def read_cpu_quota(root: Path = Path("/")) -> float | None:
    """Read the smallest quota, in cores, of the control groups of this process, versions 1 and 2.

    Args:
        root: the folder that contains proc and sys.

    Returns:
        The quota. None: there is none, or the system has no control groups, or their files cannot be understood.
    """
    quotas = [cores for folder, version in list_groups(root) if (cores := _to_cores(_read_quota(folder, version)))]
    return min(quotas, default=None)


def list_groups(root: Path, controller: str = "cpu") -> list[tuple[Path, int]]:
    """List the groups of this process, and their parents, which limit their children.

    Args:
        root: the folder that contains proc and sys.
        controller: "cpu" for CPU time, or "memory".

    Returns:
        (folder, version of control groups) of each.
    """
    paths = {}  # version -> path of the group
    for line in read_text(root / "proc/self/cgroup").splitlines():
        number, _, remaining = line.partition(":")
        controllers, _, path = remaining.partition(":")
        if number == "0" and not controllers:
            paths[2] = path
        elif controller in controllers.split(","):
            paths[1] = path
    groups = []
    for line in read_text(root / "proc/self/mountinfo").splitlines():
        # 36 35 98:0 /group /sys/fs/cgroup/cpu rw,noatime shared:1 - cgroup cgroup rw,cpu,cpuacct
        left, _, right = line.partition(" - ")
        fields, details = left.split(), right.split()
        if len(fields) < 5 or not details:
            continue
        is_v1 = details[0] == "cgroup" and controller in details[-1].split(",")
        version = 2 if details[0] == "cgroup2" else 1 if is_v1 else None
        if version not in paths:
            continue
        mount = root / fields[4].lstrip("/")
        group, top = PurePosixPath(paths[version]), PurePosixPath(fields[3])
        # A container may see the path on the machine, but have only its own group mounted, or a part of the path.
        inside = group.relative_to(top) if group.is_relative_to(top) else group.relative_to(group.anchor)
        folder = mount / inside
        groups += [(place, version) for place in (folder, *folder.parents) if place.is_relative_to(mount)]
    return groups


def _read_quota(folder: Path, version: int) -> Quota:
    if version == 1:
        return read_text(folder / "cpu.cfs_quota_us"), read_text(folder / "cpu.cfs_period_us")
    quota, _, period = read_text(folder / "cpu.max").strip().partition(" ")
    return quota, period


def _to_cores(quota: Quota) -> float | None:
    """Return a positive number of cores. None: no limit ("max", or -1 in version 1), or not understood."""
    try:
        time, period = map(int, quota)
        return time / period if time > 0 and period > 0 else None
    except (ValueError, OverflowError):
        return None


def read_text(path: Path) -> str:
    """Read a file of the system; "" if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):  # ValueError: a zero byte in the name
        return ""
