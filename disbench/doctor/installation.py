"""Report what is installed: the optional packages of every extra, and the devices."""

from importlib.metadata import PackageNotFoundError, version

# Extra -> its packages, as pyproject.toml lists them.
EXTRAS = {
    "models": ("diffusers", "safetensors", "torch", "transformers"),
    "onnx": ("onnxruntime",),
    "train": ("accelerate",),
    "gpu": ("nvidia-ml-py",),
    "lora": ("peft",),
    "track": ("tensorboard",),
    "ray": ("ray",),
    "xlsx": ("openpyxl",),
}


def list_extras() -> dict[str, dict[str, str | None]]:
    """List extra -> package -> version. None: not installed."""
    return {extra: {name: find_version(name) for name in names} for extra, names in EXTRAS.items()}


def list_devices() -> list[str]:
    """List the devices that torch can use, as --device takes them, with the names of GPUs."""
    try:
        import torch
    except ModuleNotFoundError:
        return ["cpu (no torch)"]
    gpus = [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    return ["cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else [])]


def find_version(name: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
