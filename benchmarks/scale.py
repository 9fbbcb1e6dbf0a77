"""The cost of more and of larger images: CPU time and memory of scoring, and of each step after a large run.

    python benchmarks/scale.py [--images 50,100,200] [--megapixels 1,4,16] [--rows 100000]

Each number comes from a separate process with compiled kernels. For scoring and for rows, memory is the peak resident
memory minus the resident memory before. For the steps after a run it is all of the peak resident memory of the process.
Rows are of 1000-pixel images with random histograms, written to 64 row logs and merged. Linux only.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from workers import draw_folder

from disbench.system.memory import read_resident, start_peak

LOGS = 64
HISTOGRAMS = 2000  # different pairs of histograms
METHODS = ("first", "second")
SCORE = "import sys; from disbench.runs.result import load_run; print(load_run(sys.argv[1]).score('random'))"


def measure_cost(job: Callable, *arguments) -> tuple[float, float]:
    """Return the CPU seconds and additional MiB of a call in this process."""
    before, start = start_peak(), time.process_time()
    job(*arguments)
    return time.process_time() - start, (read_resident("VmHWM") - before) / 2**20


def run_in_process(function: Callable, *arguments):
    """Return the result of a call in a new process."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def measure_command(arguments: Sequence[str]) -> tuple[float, float, float]:
    """Return CPU seconds, wall seconds and peak MiB of a Python command."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments)}: exit status {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start, usage.ru_maxrss / 2**10


def measure_scoring(folder: Path, warm: Path, out: Path) -> tuple[float, float]:
    from disbench.runs.api import score_maps

    score_maps(warm / "maps", title="warm", data=(None, warm / "gt"), out=out, workers=1)
    data = (None, folder / "gt")
    return measure_cost(lambda: score_maps(folder / "maps", title="maps", data=data, out=out, workers=1))


def row_key(i: int) -> tuple[str, str]:
    return "random", f"{i:07}"


def draw_histograms(rng: np.random.Generator, quality: float) -> list[list[np.ndarray]]:
    """Draw pairs of histograms of 500 pixels each, of maps that are right where `quality` says."""
    ramp = np.linspace(-1, 1, 256)
    pairs = []
    for sharpness in rng.normal(quality, 0.5, HISTOGRAMS):
        weights = np.exp(sharpness * ramp)
        pairs.append([rng.multinomial(500, side / side.sum()).astype(np.uint32) for side in (weights, weights[::-1])])
    return pairs


def append_rows(folder: Path, count: int, quality: float) -> None:
    """Append rows as many writers do, each with every 64th image."""
    from disbench.metrics.measurement import Measurement
    from disbench.runs.row_log import Row, RowLog

    rng = np.random.default_rng(0)
    histograms = draw_histograms(rng, quality)
    for first in range(LOGS):
        with RowLog(folder) as log:
            for i in range(first, count, LOGS):
                foreground, background = histograms[rng.integers(HISTOGRAMS)]
                values = dict(zip(("f_weighted", "s_measure"), rng.beta(4 * quality, 2, 2).tolist(), strict=True))
                measurement = Measurement(
                    height=25, width=40, fg_hist=foreground, bg_hist=background, values=values
                )
                seconds = dict(zip(("prepare", "infer", "restore"), rng.random(3).tolist(), strict=True))
                split, name = row_key(i)
                row = Row(split=split, name=name, measurement=measurement, seconds=seconds, digest=f"{i:016x}")
                log.append(row)


def merge_rows(folder: Path, count: int) -> None:
    from disbench.runs.row_log import RowLogs
    from disbench.runs.scores_file import finish_run

    logs = RowLogs(folder)
    assert len(logs) == count
    environment = {"cpu": "a CPU", "device": "cpu"}
    meta = {"data": ["random"], "finished": "2026-01-01T00:00:00+00:00", "environment": environment}
    finish_run(folder, logs.rows(map(row_key, range(count))), meta)


def make_run(root: Path, title: str, quality: float, count: int) -> Path:
    """Write a run through row logs, and print what that costs."""
    from disbench.runs.manifest import Manifest, open_run
    from disbench.runs.result import load_run

    manifest = Manifest(
        title=title,
        dataset="random",
        token="random-v1",
        protocol="pysod",
        splits={"random": count},
        identity={"data": {"random": {"truths": "0" * 64, "images": ""}}, "columns": [], "model": title},
    )
    folder = open_run(root, title, manifest)
    for step, job, arguments in (
        ("append", append_rows, [count, quality]),
        ("merge", merge_rows, [count]),
        ("load", load_run, []),
    ):
        seconds, memory = run_in_process(measure_cost, job, folder, *arguments)
        print(f"{title}: {step} {count} rows: {seconds:.1f} s of CPU time, {memory:.0f} MiB more", flush=True)
    size = sum(path.stat().st_size for path in (folder / "shards").iterdir())
    tables = {path.name: path.stat().st_size >> 20 for path in folder.glob("*.parquet")}
    print(f"shards {size >> 20} MiB, {tables} MiB")
    return folder


def measure_steps(work: Path, count: int) -> None:
    """Print the cost of each step after a run of `count` rows."""
    runs = [str(make_run(work / "runs", title, 1.5 + k, count)) for k, title in enumerate(METHODS)]
    board = str(work / "boards")
    entry = f"{board}/random-v1/first.json"
    for step, arguments in {
        "Result.score": ["-c", SCORE, runs[0]],
        "disbench report RUN": ["-m", "disbench", "report", runs[0], "--out", str(work / "report.html")],
        "disbench report RUN RUN": ["-m", "disbench", "report", *runs, "--out", str(work / "reports.html")],
        "disbench compare RUN RUN": ["-m", "disbench", "compare", *runs],
        "disbench submit RUN": ["-m", "disbench", "submit", runs[0], "--to", board],
        "disbench report ENTRY": ["-m", "disbench", "report", entry, "--out", str(work / "entry.html")],
        "disbench check RUN --against ENTRY": ["-m", "disbench", "check", runs[0], "--against", entry],
        "disbench leaderboard check ENTRY": ["-m", "disbench", "leaderboard", "check", entry],
    }.items():
        seconds, wall, memory = measure_command(arguments)
        print(f"{step}: {seconds:.1f} s of CPU time, {wall:.1f} s of wall time, {memory:.0f} MiB", flush=True)
    print(f"report.html: {(work / 'report.html').stat().st_size / 2**20:.1f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", default="50,100,200", help="numbers of images of 512 x 512")
    parser.add_argument("--megapixels", default="1,4,16", help="sizes of each of 8 images")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of a large run; 0 omits its steps")
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
            measure_steps(work, options.rows)


if __name__ == "__main__":
    main()
