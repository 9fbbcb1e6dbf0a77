"""`disbench run` on the CPU with several images at once, which is the default, against `--workers 0`: wall time.

    python benchmarks/side_by_side.py [--model diffdis] [--split DIS-VD] [--rounds 3] [--busy 1]

Whole commands, in turn, start-up included. --busy starts other processes that each take a core, in every second round,
so that the same run also says how much they slow down both. As a control, two processes must do nearly twice the work
of one, as in workers.py; otherwise the machine has no idle second core.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

from workers import measure_two_processes

SETTINGS = {"one after the other": ["--workers", "0"], "side by side": []}


@contextmanager
def keep_busy(count: int):
    """Let other processes take `count` cores."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in others:
            process.kill()
            process.wait()


def time_command(arguments: list[str]) -> float:
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "disbench", "run", *arguments, "--device", "cpu", "--alone", "--out", out]
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="diffdis")
    parser.add_argument("--split", default="DIS-VD")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", type=int, default=0, help="other processes, in every second round")
    options = parser.parse_args()
    arguments = ["--model", options.model, "--split", options.split]
    time_command(arguments)  # renders, compiles
    print(f"control: two processes do {measure_two_processes():.2f} times the work of one")
    times: dict[tuple[str, int], list[float]] = {}
    for _ in range(options.rounds):
        for busy in sorted({0, options.busy}):
            for name, setting in SETTINGS.items():
                with keep_busy(busy):
                    times.setdefault((name, busy), []).append(time_command([*arguments, *setting]))
    medians = {key: statistics.median(values) for key, values in times.items()}
    for (name, busy), seconds in medians.items():
        others = f", beside {busy} busy" if busy else ""
        print(f"{name}{others}: {seconds:.1f} s ({min(times[name, busy]):.1f}-{max(times[name, busy]):.1f})", end="")
        print(f", {seconds / medians[name, 0]:.2f} times as long as idle" if busy else "")
    slow, fast = (medians[name, 0] for name in SETTINGS)
    print(f"ratio: {slow / fast:.2f}")


if __name__ == "__main__":
    main()
