"""Further memory at the peak of measure(), and of PySODMetrics 1.6.2 where it is installed, per pixel. Linux only.

Each number comes from a process of its own, in which only the pair is in memory and the kernels are compiled: the peak
of its resident memory, as the kernel of the system counts it, less what was resident before the call.

    python benchmarks/memory.py [--sizes 1024x1024,2048x2048,3000x4000]
"""

import argparse
import ctypes
import re
import warnings
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from pairs import draw_mask, draw_truth

from disbench.metrics.measurement import measure


def peer(mask: np.ndarray, truth: np.ndarray) -> None:
    from score import peer

    peer(mask, truth)


CALLS = {"disbench": measure, "PySODMetrics": peer}


def _resident(which: str) -> int:
    """VmRSS, now, or VmHWM, at the highest, in bytes."""
    return int(re.search(rf"{which}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def further(name: str, height: int, width: int, flavour: str) -> int:
    """Bytes."""
    warnings.filterwarnings("ignore")
    truth = draw_truth(height, width, "mixed")
    mask = draw_mask(truth, flavour)
    CALLS[name](mask[:64, :64].copy(), np.eye(64, dtype=np.uint8) * 255)  # compile, import
    ctypes.CDLL(None).malloc_trim(0)  # what was freed could be used again, unseen
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _resident("VmRSS")
    CALLS[name](mask, truth)
    return _resident("VmHWM") - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="1024x1024,2048x2048,3000x4000")
    options = parser.parse_args()
    for size in options.sizes.split(","):
        height, width = map(int, size.split("x"))
        for flavour in ("typical", "noisy"):
            for name in CALLS if find_spec("py_sod_metrics") else ["disbench"]:
                with get_context("spawn").Pool(1) as fresh:
                    found = fresh.apply(further, (name, height, width, flavour))
                amount = f"{found / 2**20:6.1f} MiB {found / height / width:5.1f} bytes/pixel"
                print(f"{size:10} {flavour:8} {name:13} {amount}")


if __name__ == "__main__":
    main()
