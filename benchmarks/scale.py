"""What more images and larger images cost: CPU time and memory of scoring, and of merging the rows of a large run.

    python benchmarks/scale.py [--images 50,100,200] [--megapixels 1,4,16] [--rows 1000000]

Every number comes from a process of its own, whose kernels are compiled. Memory is its highest resident one less what
was resident before. Rows are of 1000-pixel images, written to 64 shards. Linux only.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from memory import _resident
from workers import draw

from disbench.metrics.measurement import Measurement
from disbench.runs.api import score_maps
from disbench.runs.manifest import Manifest, open_run
from disbench.runs.result import load_run
from disbench.runs.row_log import Row, RowLog, RowLogs
from disbench.runs.scores_file import finish_run

SHARDS = 64


def costs(job: Callable, *arguments) -> tuple[float, float]:
    """CPU seconds and MiB, of a call in this process."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, began = _resident("VmRSS"), time.process_time()
    job(*arguments)
    return time.process_time() - began, (_resident("VmHWM") - before) / 2**20


def fresh(function: Callable, *arguments):
    """In a new process; what it answers."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def scoring(folder: Path, warm: Path, out: Path) -> tuple[float, float]:
    score_maps(warm / "maps", title="warm", data=(None, warm / "gt"), out=out, workers=1)
    return costs(lambda: score_maps(folder / "maps", title="maps", data=(None, folder / "gt"), out=out, workers=1))


def key(i: int) -> tuple[str, str]:
    return "made", f"{i:07}"


def append(folder: Path, count: int) -> None:
    """Rows as they come from many writers, each of which has every 64th image."""
    rng = np.random.default_rng(0)
    histograms = [rng.multinomial(500, np.ones(256) / 256, 2).astype(np.uint32) for _ in range(100)]
    values = {"s": 0.9, "f_weighted": 0.8}
    for first in range(SHARDS):
        with RowLog(folder) as shard:
            for i in range(first, count, SHARDS):
                measurement = Measurement(25, 40, *histograms[i % 100], values)
                seconds = {"prepare": 0.01, "infer": 0.1, "restore": 0.01}
                shard.append(Row(*key(i), measurement, seconds, f"{i:016x}"))


def merge(folder: Path, count: int) -> None:
    shards = RowLogs(folder)
    assert len(shards) == count
    finish_run(folder, shards.rows(map(key, range(count))), {"data": ["made"], "finished": "", "environment": {}})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", default="50,100,200", help="how many, of 512 x 512")
    parser.add_argument("--megapixels", default="1,4,16", help="of each of 8 images")
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)

        def drawn(name: str, images: int, side: int) -> Path:
            (work / name).mkdir()
            draw(work / name, images, side, side)
            return work / name

        warm = drawn("warm", 1, 64)
        for count in map(int, filter(None, options.images.split(","))):
            seconds, memory = fresh(scoring, drawn(f"n{count}", count, 512), warm, work / f"runs{count}")
            print(
                f"{count:5} images of 512 x 512: {1000 * seconds / count:6.2f} ms each, {memory:6.1f} MiB", flush=True
            )
        for size in map(float, filter(None, options.megapixels.split(","))):
            side = round((size * 2**20) ** 0.5)
            seconds, memory = fresh(scoring, drawn(f"m{side}", 8, side), warm, work / f"runs{side}")
            each = f"{1000 * seconds / 8 / size:6.2f} ms, {memory / size:6.1f} MiB"
            print(f"8 images of {size:g} megapixels: {each} for each megapixel of one", flush=True)
        if options.rows:
            manifest = Manifest("made", "made", "folder:made", "pysod", {"made": options.rows}, {"data": {"made": {}}})
            folder = open_run(work / "runs", "made", manifest)
            began = time.perf_counter()
            for what, job, more in (
                ("append", append, [options.rows]),
                ("merge", merge, [options.rows]),
                ("load", load_run, []),
            ):
                seconds, memory = fresh(costs, job, folder, *more)
                took = time.perf_counter() - began
                print(
                    f"{what} {options.rows} rows: {seconds:.1f} s CPU, {took:.0f} s by the clock, {memory:.0f} MiB",
                    flush=True,
                )
                began = time.perf_counter()
            size = sum(path.stat().st_size for path in (folder / "shards").iterdir())
            tables = {path.name: path.stat().st_size >> 20 for path in folder.glob("*.parquet")}
            print(f"shards {size >> 20} MiB, {tables} MiB")


if __name__ == "__main__":
    main()
