"""Compile kernels in a process of their own, while the first one renders pictures and loads a network.

    python -P -m disbench.runs.warmup PROTOCOLS METRICS

Whatever is missing afterwards, for whatever reason, is compiled where it is needed.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from disbench.runs.spec import MeasureSpec
from disbench.system.caches import kernel_cache_folder
from disbench.system.cores import count_cores
from disbench.system.memory import collect_less


@contextmanager
def compile_ahead(measures: MeasureSpec) -> Iterator[None]:
    """Compile the kernels of a run next to the block, where the cache has none and there is a core for it."""
    if not sys.executable or count_cores() < 2 or any(kernel_cache_folder().glob("*.nbc")):
        yield
        return
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", __name__, measures.protocol_names, ",".join(measures.metrics)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},  # the same packages as here
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def compile_kernels(measures: MeasureSpec) -> None:
    """Read and measure small files as a run and its report do, so that all kernels that they need are in the cache."""
    import cv2
    import numpy as np

    from disbench.data.images import read_image, read_map, read_truth
    from disbench.metrics.measurement import measure

    truth = np.zeros((64, 64), np.uint8)
    truth[16:48, 16:48] = 255
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    slope = np.add.outer(*[np.arange(128, dtype=np.uint8)] * 2) + np.tile(noise[..., 0] // 64, (2, 2))
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("image.jpg", "truth.png", "map.png")]
        for path, pixels in zip(files, (noise, truth, slope), strict=True):
            path.write_bytes(cv2.imencode(path.suffix, pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes())
        image, truth = read_image(files[0]), read_truth(files[1])
        read_map(files[2])  # a map of a network has rows full of residuals
    measure(noise[..., 0], truth, measures.protocol_names, measures.metrics, trimap=truth, image=image)


if __name__ == "__main__":
    if hasattr(os, "nice"):  # missing on Windows
        os.nice(19)  # what is rendered and loaded meanwhile comes first
    collect_less()
    compile_kernels(MeasureSpec.parse(sys.argv[1], sys.argv[2]))
