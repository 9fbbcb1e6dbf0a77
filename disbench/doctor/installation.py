"""Report what is installed: the optional packages of every extra, and the devices."""

import importlib
import importlib.util
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from disbench.system.device_memory import free_memory
from disbench.system.environment import PACKAGES, find_mismatch

# Extra -> its packages, as pyproject.toml lists them.
EXTRAS = {
    "models": ("diffusers", "safetensors", "torch", "transformers"),
    "onnx": ("onnxruntime",),
    "train": ("accelerate",),
    "gpu": ("nvidia-ml-py",),
    "lora": ("peft",),
    "track": ("tensorboard",),
    "ray": ("ray",),
    "torchmetrics": ("torch", "torchmetrics"),
    "xlsx": ("openpyxl",),
    "matting": ("pymatting",),
}


def list_extras() -> dict[str, dict[str, str | None]]:
    """List extra -> package -> version. None: not installed."""
    return {extra: {name: find_version(name) for name in names} for extra, names in EXTRAS.items()}


def list_mismatches() -> dict[str, tuple[str, str]]:
    """Import all packages, and list package -> version of its module, version of its metadata, where they differ."""
    mismatches = {}
    for package, module in PACKAGES.items():
        if find_version(package) or importlib.util.find_spec(module):
            with suppress(Exception):  # a broken package; its version is that of its metadata
                importlib.import_module(module)
        if loaded := find_mismatch(package, module):
            mismatches[package] = loaded, find_version(package) or "not installed"
    return mismatches


def list_devices() -> list[str]:
    """List the devices that torch can use, as --device takes them, with the names of GPUs."""
    try:
        import torch
    except ModuleNotFoundError:
        return ["cpu (no torch)"]
    gpus = [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    return ["cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else [])]


def read_free_memory(devices: list[str]) -> dict[str, int]:
    """Return the free bytes of devices, as `list_devices` lists them, where they are known."""
    names = [device.partition(" ")[0] for device in devices]
    free = {name: free_memory(name) for name in names}
    return {name: count for name, count in free.items() if count is not None}


def find_version(name: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
