"""`--option precision=bf16` against float32 on a CPU with instructions for bfloat16.

    python benchmarks/precision.py [--rounds 3] [--networks isnet:1024 birefnet:512 ...]

First whole commands with the shipped weights, start-up included, and how much the scores move. Then networks with
random weights: the time of an image in this process. Both sides run in turn.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

import disbench

COMMANDS = ("diffdis", "u2netp")
NETWORKS = ["isnet:1024", "u2net:320", "birefnet:512", "inspyrenet:512", "mvanet:512", "ben2:512", "udun:512"]
PRECISIONS = ("fp32", "bf16")


def run_command(model: str, precision: str) -> tuple[float, dict[str, float]]:
    """Return the seconds of `disbench run` on DIS-VD of DIS-Mini, and the scores."""
    options = [] if precision == "fp32" else ["--option", f"precision={precision}"]
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "disbench", "run", "--model", model, "--split", "DIS-VD", "--device", "cpu"]
        start = time.perf_counter()
        ran = subprocess.run(
            [*command, "--alone", "--no-save", "--json", "--out", out, *options], capture_output=True, check=True
        )
        return time.perf_counter() - start, json.loads(ran.stdout)[0]["scores"]["DIS-VD"]


def time_network(name: str, size: str, rounds: int) -> dict[str, float]:
    """Return the median seconds of an image in each precision."""
    image = np.random.default_rng(0).integers(0, 256, (int(size), int(size), 3), np.uint8)
    networks = {p: disbench.load(name, "untrained", "cpu", size=size, precision=p).predictor for p in PRECISIONS}
    batch = networks["fp32"].prepare(image)[None]
    seconds: dict[str, list[float]] = {precision: [] for precision in networks}
    for _ in range(rounds):
        for precision, network in networks.items():
            start = time.perf_counter()
            network.infer(batch)
            seconds[precision].append(time.perf_counter() - start)
    return {precision: statistics.median(times) for precision, times in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", nargs="*", default=NETWORKS, help="NAME:SIZE")
    options = parser.parse_args()
    for model in COMMANDS:
        runs = [[run_command(model, precision) for precision in PRECISIONS] for _ in range(options.rounds + 1)][1:]
        plain, lowered = (statistics.median(run[i][0] for run in runs) for i in range(2))
        moved = max(abs(runs[0][0][1][key] - runs[0][1][1][key]) for key in runs[0][0][1])
        ratio = plain / lowered
        print(f"run {model}: {plain:.1f} s, {lowered:.1f} s, {ratio:.2f} times as fast, scores move by {moved:.4f}")
    for name, size in (text.split(":") for text in options.networks):
        plain, lowered = time_network(name, size, options.rounds).values()
        print(f"{name} {size}: {plain:.2f} s, {lowered:.2f} s, {plain / lowered:.2f} times as fast")


if __name__ == "__main__":
    main()
