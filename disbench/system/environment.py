"""The environment of a run: versions, machine, and the settings that change numbers or times."""

import os
import platform
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from disbench.system import nvidia
from disbench.system.cores import count_cores
from disbench.system.variables import read_thread_variables

# Package -> the module that it installs.
PACKAGES = {
    "disbench": "disbench",
    "numpy": "numpy",
    "numba": "numba",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "deflate": "deflate",
    "torch": "torch",
    "diffusers": "diffusers",
}


def describe_environment(device: str = "cpu") -> dict[str, Any]:
    """Describe what this process computes on, as plain data.

    The words are the same on every machine, and nothing names a user, a host or a path.
    """
    versions = {name: find_version(name, module) for name, module in PACKAGES.items()}
    record: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _find_cpu_name(),
        "cores": count_cores(),
        "packages": {name: number for name, number in versions.items() if number},
        "device": device,
    }
    torch = sys.modules.get("torch")  # a run without torch must not load it for its description
    if torch is not None:
        record["threads"] = torch.get_num_threads()
        record["openmp"] = read_thread_variables()  # which decide how threads wait for each other
        record["deterministic"] = torch.are_deterministic_algorithms_enabled()
        if device.startswith("cuda") and torch.cuda.is_available():
            record["gpu"] = torch.cuda.get_device_name(device)
            record["cuda"] = torch.version.cuda
            record["cudnn"] = torch.backends.cudnn.version()
            with suppress(Exception):  # nvidia-ml-py may be missing, or the driver may refuse to answer
                record["driver"] = nvidia.read_driver_version()
            record["tf32"] = _read_tf32(torch.backends)
            record["cudnn_benchmark"] = torch.backends.cudnn.benchmark
            record["cudnn_deterministic"] = torch.backends.cudnn.deterministic
    return record


def _read_tf32(backends: Any) -> dict[str, bool]:
    """Read whether products and convolutions may use TF32. torch's older interface is an error after the newer one."""
    if hasattr(backends.cuda.matmul, "fp32_precision"):  # from torch 2.9 on
        settings = {"matmul": backends.cuda.matmul, "cudnn": backends.cudnn.conv}
        return {name: setting.fp32_precision == "tf32" for name, setting in settings.items()}
    return {"matmul": backends.cuda.matmul.allow_tf32, "cudnn": backends.cudnn.allow_tf32}


def flatten_record(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a nested record; keys are joined by spaces."""
    values: dict[str, Any] = {}
    for name, value in record.items():
        values |= flatten_record(value, f"{prefix}{name} ") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return values


def first_difference(left: Mapping[str, Any], right: Mapping[str, Any]) -> str | None:
    """Find the first key whose values differ in two flat records, or None.

    Keys that only one record has are ignored: a NumPy model, for example, records no torch threads. Times compare where
    there is no difference.
    """
    return next((name for name in left if name in right and _differ(name, left[name], right[name])), None)


def _differ(name: str, left: Any, right: Any) -> bool:
    if name == "device":  # "cuda" may be "cuda:0", and "cuda:1" has the same times if it is the same GPU by its name
        left, right = (str(value).partition(":")[0] for value in (left, right))
    return left != right


def measure_load(device: str = "cpu") -> dict[str, Any]:
    """Measure what changes from minute to minute and spoils times.

    Returns:
        processes: the number that run or wait, on all `cores` of the machine.
        cpu_mhz, gpu_mhz: clocks in MHz.
        gpu_celsius, gpu_percent: temperature and utilisation of the GPU.
        gpu_slow_by: why the clocks of the GPU are not the highest.
        A value that cannot be read is "unknown: " and the reason.
    """
    record: dict[str, Any] = {}
    if hasattr(os, "getloadavg"):  # missing on Windows
        record |= {"processes": round(os.getloadavg()[0], 2), "cores": os.cpu_count()}
    if clocks := [float(line.split(":")[1]) for line in _read_cpuinfo() if line.startswith("cpu MHz")]:
        record["cpu_mhz"] = round(max(clocks))
    if device.startswith("cuda"):
        import torch

        sensors: dict[str, Callable[[str], Any]] = {
            "gpu_mhz": torch.cuda.clock_rate,
            "gpu_celsius": torch.cuda.temperature,
            "gpu_percent": torch.cuda.utilization,
            "gpu_slow_by": nvidia.read_slowdown_reasons,
        }
        for name, read_sensor in sensors.items():
            try:
                record[name] = read_sensor(device)
            except Exception as error:  # a missing sensor must not end a timing, and NVMLError is no RuntimeError
                record[name] = f"unknown: {error}"
    return record


def _read_cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _find_cpu_name() -> str:
    for line in _read_cpuinfo():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def find_version(package: str, module: str) -> str | None:
    """Return the version of a package: that of its loaded module where the two differ, or None."""
    return find_mismatch(package, module) or _read_metadata(package)


def find_mismatch(package: str, module: str) -> str | None:
    """Return the version of a loaded module if it is not that of its package, or None.

    Versions agree if one begins the other: OpenCV 5.0.0 is in the package 5.0.0.93.
    """
    loaded = getattr(sys.modules.get(module), "__version__", None)
    if not isinstance(loaded, str):
        return None
    numbers, expected = (text.partition("+")[0].split(".") for text in (loaded, _read_metadata(package) or ""))
    shared = min(len(numbers), len(expected))
    return None if numbers[:shared] == expected[:shared] else loaded


def _read_metadata(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
