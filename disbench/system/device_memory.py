"""Memory of devices: how much is free, and the one line about too little of it."""

import re
from pathlib import Path

from disbench.errors import DeviceMemoryError
from disbench.system.cores import find_groups

_FREE = re.compile(r"of which ([\d.,]+ ?\w+) is free")
_NEEDED = re.compile(r"[Tt]ried to allocate ([\d.,]+ ?\w+)")
# Version of control groups -> files of the limit and of what is in use.
_FILES = {1: ("memory.limit_in_bytes", "memory.usage_in_bytes"), 2: ("memory.max", "memory.current")}


def free_memory(device: str = "cpu", root: Path = Path("/")) -> int | None:
    """Return the free bytes of a device: of its GPU, or of this machine within the limits of its control groups.

    Args:
        device: "cpu", "cuda", "cuda:1" or "mps".
        root: the folder that contains proc and sys.

    Returns:
        The bytes. None: unknown, as on systems without /proc and on "mps".
    """
    if device.startswith("cuda"):
        import torch

        return torch.cuda.mem_get_info(device)[0]
    lines = _read(root / "proc/meminfo").splitlines() if device == "cpu" else []
    available = [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    for mount, group, version in find_groups(root, "memory") if available else ():
        available += _list_left(mount, group, version)
    return max(0, min(available)) if available else None


def describe_bytes(count: int) -> str:
    """Describe a number of bytes, as "14.4 GB"."""
    return f"{count / 1e9:.1f} GB"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether torch had too little memory. It has a class for this error on CUDA only, so its words count."""
    signs = ("out of memory", "ALLOC_FAILED", "DefaultCPUAllocator")  # of CUDA and MPS, cuDNN and cuBLAS, the CPU
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


def make_out_of_memory(title: str, device: str, error: BaseException, advice: str) -> DeviceMemoryError:
    """Make the error of one line: how much was needed, how much is free, and what to do."""
    needed, free = _NEEDED.search(str(error)), _FREE.search(str(error))
    left = None if free else free_memory(device)
    facts = [f"it needs {needed[1]} more" if needed else "", f"{free[1]} are free" if free else ""]
    facts += [] if left is None else [f"{describe_bytes(left)} are free"]
    known = f" ({', '.join(filter(None, facts))})" if any(facts) else ""
    return DeviceMemoryError(f"{title}: out of memory on {device}{known}; {advice}")


def _list_left(mount: Path, group: Path, version: int) -> list[int]:
    """List how many bytes a group and its parents leave. The cache of inactive files is free as well."""
    limit, used = _FILES[version]
    lefts = []
    for folder in (group, *group.parents):
        if not folder.is_relative_to(mount):
            break
        texts = [_read(folder / name).strip() for name in (limit, used)]
        if all(text.isdecimal() for text in texts):
            cache = re.search(r"^inactive_file (\d+)$", _read(folder / "memory.stat"), re.MULTILINE)
            lefts.append(int(texts[0]) - int(texts[1]) + (int(cache[1]) if cache else 0))
    return lefts


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return ""
