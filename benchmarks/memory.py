"""Additional peak memory of measure(), and of PySODMetrics 1.6.2 if it is installed, per pixel. Linux only.

Each number comes from a separate process that holds only the pair and has compiled the kernels: its peak resident
memory, as the operating system counts it, minus the resident memory before the call.

    python benchmarks/memory.py [--sizes 1024x1024,2048x2048,3000x4000]
"""

import argparse
import warnings
from importlib.util import find_spec
from multiprocessing import get_context

import numpy as np
from pairs import draw_mask, draw_truth

from disbench.metrics.measurement import measure
from disbench.system.memory import read_resident, start_peak


def peer(mask: np.ndarray, truth: np.ndarray) -> None:
    from score import peer

    peer(mask, truth)


CALLS = {"disbench": measure, "PySODMetrics": peer}


def additional_bytes(name: str, height: int, width: int, flavour: str) -> int:
    """Return the additional peak memory of one call."""
    warnings.filterwarnings("ignore")
    truth = draw_truth(height, width, "mixed")
    mask = draw_mask(truth, flavour)
    CALLS[name](mask[:64, :64].copy(), np.eye(64, dtype=np.uint8) * 255)  # compile, import
    before = start_peak()
    CALLS[name](mask, truth)
    return read_resident("VmHWM") - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="1024x1024,2048x2048,3000x4000")
    options = parser.parse_args()
    for size in options.sizes.split(","):
        height, width = map(int, size.split("x"))
        for flavour in ("typical", "noisy"):
            for name in CALLS if find_spec("py_sod_metrics") else ["disbench"]:
                with get_context("spawn").Pool(1) as fresh:
                    extra = fresh.apply(additional_bytes, (name, height, width, flavour))
                amount = f"{extra / 2**20:6.1f} MiB {extra / height / width:5.1f} bytes/pixel"
                print(f"{size:10} {flavour:8} {name:13} {amount}")


if __name__ == "__main__":
    main()
