"""What a run was measured on: versions, machine, and the flags that change numbers or times."""

import os
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from disbench.system import nvidia
from disbench.system.cores import count_cores

PACKAGES = ("disbench", "numpy", "numba", "opencv-python-headless", "pillow", "deflate", "torch", "diffusers")


def describe_environment(device: str = "cpu") -> dict[str, Any]:
    """Plain data, the same words on every machine; nothing that names a user, a host or a path."""
    record: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": count_cores(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "device": device,
    }
    torch = sys.modules.get("torch")  # a run without torch must not load it to say so
    if torch is not None:
        record["threads"] = torch.get_num_threads()
        record["deterministic"] = torch.are_deterministic_algorithms_enabled()
        if device.startswith("cuda"):
            record["gpu"] = torch.cuda.get_device_name(device)
            record["cuda"] = torch.version.cuda
            record["cudnn"] = torch.backends.cudnn.version()
            with suppress(Exception):  # without nvidia-ml-py, or where the driver tells nothing
                record["driver"] = nvidia.read_driver_version()
            record["tf32"] = {"matmul": torch.backends.cuda.matmul.allow_tf32, "cudnn": torch.backends.cudnn.allow_tf32}
            record["cudnn_benchmark"] = torch.backends.cudnn.benchmark
            record["cudnn_deterministic"] = torch.backends.cudnn.deterministic
    return record


def flatten_record(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The same without nesting, keys joined by spaces, for `differing`."""
    values: dict[str, Any] = {}
    for name, value in record.items():
        values |= flatten_record(value, f"{prefix}{name} ") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return values


def first_difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """The first name in which two flat records disagree; None where times that were taken in the two compare.

    They must agree in what both hold: a method that runs without torch has no word on its threads.
    """
    shared = (name for name in one if name in other)
    return next((name for name in shared if one[name] != other[name]), None)


def measure_load(device: str = "cpu") -> dict[str, Any]:
    """What changes from minute to minute and spoils times.

    processes: that run or wait, on so many cores of the whole machine; clocks in MHz; the GPU's heat in °C; and why its
    clocks are not the highest. What is not known is "unknown: ..." with the reason.
    """
    record: dict[str, Any] = {}
    if hasattr(os, "getloadavg"):  # not on Windows
        record |= {"processes": round(os.getloadavg()[0], 2), "cores": os.cpu_count()}
    if clocks := [float(line.split(":")[1]) for line in _cpuinfo() if line.startswith("cpu MHz")]:
        record["cpu_mhz"] = round(max(clocks))
    if device.startswith("cuda"):
        import torch

        for name, ask in {
            "gpu_mhz": torch.cuda.clock_rate,
            "gpu_celsius": torch.cuda.temperature,
            "gpu_percent": torch.cuda.utilization,
            "gpu_slow_by": nvidia.read_slowdown_reasons,
        }.items():
            try:
                record[name] = ask(device)
            except Exception as error:  # NVMLError, too, is no RuntimeError: what cannot be told must not end a timing
                record[name] = f"unknown: {error}"
    return record


def _cpuinfo() -> list[str]:
    info = Path("/proc/cpuinfo")
    return info.read_text().splitlines() if info.exists() else []


def _cpu() -> str:
    for line in _cpuinfo():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
