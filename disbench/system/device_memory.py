"""Memory of devices: how much is free, and the one line about too little of it."""

import re
from pathlib import Path

from disbench.errors import DeviceMemoryError
from disbench.system.cores import list_groups, read_text

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
    match = re.search(r"^MemAvailable: +(\d+) kB$", read_text(root / "proc/meminfo"), re.MULTILINE)
    if device != "cpu" or not match:
        return None
    lefts = [_read_left(*group) for group in list_groups(root, "memory")]
    return max(0, min([1024 * int(match[1]), *(left for left in lefts if left is not None)]))


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


def _read_left(group: Path, version: int) -> int | None:
    """Read how many bytes a group leaves. The cache of inactive files is free as well. None: it has no limit."""
    texts = [read_text(group / name).strip() for name in _FILES[version]]
    if not all(text.isdecimal() for text in texts):
        return None
    limit, used = map(int, texts)
    cache = re.search(r"^inactive_file (\d+)$", read_text(group / "memory.stat"), re.MULTILINE)
    return limit - used + (int(cache[1]) if cache else 0)
