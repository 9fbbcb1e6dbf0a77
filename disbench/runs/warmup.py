"""Compile kernels in a process of their own, while the first one renders pictures and loads a network.

    python -P -m disbench.runs.warmup PROTOCOLS METRICS

Whatever is missing afterwards, for whatever reason, is compiled where it is needed.
"""

import os
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from disbench.runs.spec import MeasureSpec
from disbench.system.caches import kernel_cache_folder
from disbench.system.memory import collect_less
from disbench.system.processes import run_beside


def compile_ahead(measures: MeasureSpec) -> AbstractContextManager:
    """Compile the kernels of a run next to the block, where the cache has none and there is a core for it."""
    if any(kernel_cache_folder().glob("*.nbc")):
        return nullcontext()
    return run_beside(__name__, measures.protocol_names, ",".join(measures.metrics))


def compile_kernels(measures: MeasureSpec) -> None:
    """Read and measure small files as a run and its report do, so that all kernels that they need are in the cache."""
    import cv2
    import numpy as np

    from disbench.data.images import read_image, read_truth
    from disbench.metrics.measurement import measure

    truth = np.zeros((64, 64), np.uint8)
    truth[16:48, 16:48] = 255
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "image.jpg"), Path(folder, "truth.png")
        for path, pixels in zip(files, (noise, truth), strict=True):
            path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
        image, truth = read_image(files[0]), read_truth(files[1])
    measure(noise[..., 0], truth, measures.protocol_names, measures.metrics, trimap=truth, image=image)


if __name__ == "__main__":
    if hasattr(os, "nice"):  # missing on Windows
        os.nice(5)  # what is rendered meanwhile comes first, but not alone: kernels must be ready when a network is
    collect_less()
    compile_kernels(MeasureSpec.parse(sys.argv[1], sys.argv[2]))
