"""The device that a network runs on, and process-wide settings of torch."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from disbench.errors import InputError
from disbench.system.cores import read_text
from disbench.system.memory import keep_freed_memory
from disbench.system.variables import read_count

PRECISIONS = ("fp32", "bf16")
CPU_BF16 = {"avx512_bf16", "amx_bf16", "bf16"}  # Linux' names of these instructions; the last is Arm's


def choose_device(name: str | None) -> str:
    """Return the named device, or by default the best one of this machine; InputError if the device is missing."""
    keep_freed_memory()
    if name is None:
        if torch.cuda.is_available():
            local = next((name for name in ("LOCAL_RANK", "SLURM_LOCALID") if os.environ.get(name)), None)
            # The rank on this machine.
            return f"cuda:{read_count(local, 0) % torch.cuda.device_count()}" if local else "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch was built without CUDA
        raise InputError(f"--device {name}: not on this machine ({error})") from None
    return name


@contextmanager
def fp32_precision(*, tf32: bool) -> Iterator[None]:
    """Let float32 matrix products and convolutions use TF32 within the block, or not; the setting is torch's own.

    It is that of the process, so threads that are in such blocks at once share it: the block that was entered last
    decides, and the last one to leave restores what was there before.
    """
    block = _Block(tf32=tf32)
    with _lock:
        if not _blocks:
            _before.append(_Setting())
        _blocks.append(block)
        _set_tf32(tf32)
    try:
        yield
    finally:
        with _lock:
            _blocks.remove(block)
            if _blocks:
                _set_tf32(_blocks[-1].tf32)
            else:
                _before.pop().restore()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Block:
    """A block that has not ended."""

    tf32: bool


class _Setting:
    """The setting of torch at the time when this was made.

    torch has two interfaces for it. The older one refuses to be read where a program used the newer one, so the newer
    one is read where it exists.
    """

    def __init__(self) -> None:
        self.newer = _precision_settings()
        self.before = [setting.fp32_precision for setting in self.newer]
        self.products = _read_or(torch.get_float32_matmul_precision, "")
        self.convolutions = _read_or(_allows_tf32, None)

    def restore(self) -> None:
        """Set it again."""
        if self.products:
            torch.set_float32_matmul_precision(self.products)
        if self.convolutions is not None:
            torch.backends.cudnn.allow_tf32 = self.convolutions
        for setting, value in zip(self.newer, self.before, strict=True):
            setting.fp32_precision = value


def _set_tf32(tf32: bool) -> None:
    """Set the older interface, which sets both, since the compiler reads it."""
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32


_lock = Lock()
_blocks: list[_Block] = []
_before: list[_Setting] = []  # of the program, while there are blocks


def _precision_settings() -> list[Any]:
    """List the settings of the newer interface that the older one sets too; none before torch 2.9."""
    backends: Any = torch.backends
    if not hasattr(backends.cuda.matmul, "fp32_precision"):
        return []
    return [backends.cuda.matmul, backends.mkldnn.matmul, backends.cudnn.conv, backends.cudnn.rnn]


def _read_or(read: Callable[[], Any], default: Any) -> Any:
    try:
        return read()
    except RuntimeError:  # the two interfaces were mixed
        return default


def _allows_tf32() -> bool:
    return torch.backends.cudnn.allow_tf32


def has_bf16(device: str) -> bool:
    """Return whether a device computes in bfloat16 itself: GPUs before NVIDIA's Ampere (T4, V100, RTX 20) do not."""
    return not device.startswith("cuda") or torch.cuda.get_device_capability(device)[0] >= 8


def check_precision(precision: str, device: str | None) -> None:
    """Raise InputError unless a network on the CPU, or on any device in float32, can compute in a precision."""
    if precision not in PRECISIONS:
        raise InputError(f"--option precision={precision}: must be one of {', '.join(PRECISIONS)}")
    if precision == "bf16":
        require_cpu_bf16(choose_device(device))


def require_cpu_bf16(device: str) -> None:
    """Raise InputError unless the device is a CPU with instructions for products in bfloat16.

    Other CPUs convert to float32 and back, which takes longer than float32.
    """
    if device != "cpu":
        raise InputError(f"--option precision=bf16: for networks on the CPU only, not on {device}; omit it")
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", read_text(Path("/proc/cpuinfo")), re.MULTILINE)
    if not flags or CPU_BF16.isdisjoint(flags[1].split()):
        raise InputError(
            "--option precision=bf16: this CPU has no instructions for bfloat16 (AVX512-BF16, AMX-BF16 or Arm's BF16), "
            "so float32 is faster; omit it"
        )
