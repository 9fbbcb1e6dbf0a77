"""The cost of more and of larger images: CPU time and memory of scoring, and of merging the rows of a large run.

    python benchmarks/scale.py [--images 50,100,200] [--megapixels 1,4,16] [--rows 1000000]

Each number comes from a separate process with compiled kernels. Memory is the peak resident memory minus the resident
memory before. Rows are of 1000-pixel images, written to 64 row logs. Linux only.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from memory import resident_bytes
from workers import draw_folder

from disbench.metrics.measurement import Measurement
from disbench.runs.api import score_maps
from disbench.runs.manifest import Manifest, open_run
from disbench.runs.result import load_run
from disbench.runs.row_log import Row, RowLog, RowLogs
from disbench.runs.scores_file import finish_run

LOGS = 64


def measure_cost(job: Callable, *arguments) -> tuple[float, float]:
    """Return the CPU seconds and additional MiB of a call in this process."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the peak
    before, start = resident_bytes("VmRSS"), time.process_time()
    job(*arguments)
    return time.process_time() - start, (resident_bytes("VmHWM") - before) / 2**20


def run_in_process(function: Callable, *arguments):
    """Return the result of a call in a new process."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def measure_scoring(folder: Path, warm: Path, out: Path) -> tuple[float, float]:
    score_maps(warm / "maps", title="warm", data=(None, warm / "gt"), out=out, workers=1)
    data = (None, folder / "gt")
    return measure_cost(lambda: score_maps(folder / "maps", title="maps", data=data, out=out, workers=1))


def row_key(i: int) -> tuple[str, str]:
    return "random", f"{i:07}"


def append_rows(folder: Path, count: int) -> None:
    """Append rows as many writers do, each with every 64th image."""
    rng = np.random.default_rng(0)
    histograms = [rng.multinomial(500, np.ones(256) / 256, 2).astype(np.uint32) for _ in range(100)]
    values = {"s": 0.9, "f_weighted": 0.8}
    for first in range(LOGS):
        with RowLog(folder) as log:
            for i in range(first, count, LOGS):
                foreground, background = histograms[i % 100]
                measurement = Measurement(
                    height=25, width=40, fg_hist=foreground, bg_hist=background, values=values
                )
                seconds = {"prepare": 0.01, "infer": 0.1, "restore": 0.01}
                split, name = row_key(i)
                row = Row(split=split, name=name, measurement=measurement, seconds=seconds, digest=f"{i:016x}")
                log.append(row)


def merge_rows(folder: Path, count: int) -> None:
    logs = RowLogs(folder)
    assert len(logs) == count
    finish_run(folder, logs.rows(map(row_key, range(count))), {"data": ["random"], "finished": "", "environment": {}})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", default="50,100,200", help="numbers of images of 512 x 512")
    parser.add_argument("--megapixels", default="1,4,16", help="sizes of each of 8 images")
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)

        def make_folder(name: str, images: int, side: int) -> Path:
            (work / name).mkdir()
            draw_folder(work / name, images, side, side)
            return work / name

        warm = make_folder("warm", 1, 64)
        for count in map(int, filter(None, options.images.split(","))):
            seconds, memory = run_in_process(
                measure_scoring, make_folder(f"n{count}", count, 512), warm, work / f"runs{count}"
            )
            print(
                f"{count:5} images of 512 x 512: {1000 * seconds / count:6.2f} ms each, {memory:6.1f} MiB", flush=True
            )
        for size in map(float, filter(None, options.megapixels.split(","))):
            side = round((size * 2**20) ** 0.5)
            seconds, memory = run_in_process(
                measure_scoring, make_folder(f"m{side}", 8, side), warm, work / f"runs{side}"
            )
            cost = f"{1000 * seconds / 8 / size:6.2f} ms, {memory / size:6.1f} MiB"
            print(f"8 images of {size:g} megapixels: {cost} per megapixel", flush=True)
        if options.rows:
            manifest = Manifest(
                title="random",
                dataset="random",
                token="folder:random",
                protocol="pysod",
                splits={"random": options.rows},
                identity={"data": {"random": {}}},
            )
            folder = open_run(work / "runs", "random", manifest)
            start = time.perf_counter()
            for title, job, arguments in (
                ("append", append_rows, [options.rows]),
                ("merge", merge_rows, [options.rows]),
                ("load", load_run, []),
            ):
                seconds, memory = run_in_process(measure_cost, job, folder, *arguments)
                wall = time.perf_counter() - start
                print(
                    f"{title} {options.rows} rows: {seconds:.1f} s of CPU time, {wall:.0f} s of wall time,",
                    f"{memory:.0f} MiB",
                    flush=True,
                )
                start = time.perf_counter()
            size = sum(path.stat().st_size for path in (folder / "shards").iterdir())
            tables = {path.name: path.stat().st_size >> 20 for path in folder.glob("*.parquet")}
            print(f"shards {size >> 20} MiB, {tables} MiB")


if __name__ == "__main__":
    main()
