"""The table of README.md, "Speed of the measures", in one run: measured now, on this machine; run.sh calls this.

Prints Markdown, and appends a line to a history file if one is given.
"""

import argparse
import json
import platform
import runpy
import statistics
import sys
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import Mock

import effort
import numpy as np
import score
from clock import seconds
from measures import list_measures
from pairs import KINDS, draw_mask, draw_truth

import disbench

SIZES = ((1024, 1024), (2048, 2048), (3000, 4000))
Ratios = dict[str, list[float]]


def median_ratio(rounds: list[tuple[float, ...]], slow: list[int], fast: list[int]) -> float:
    """Return the median over rounds of the ratio of two sums of columns."""
    return statistics.median(sum(times[i] for i in slow) / sum(times[i] for i in fast) for times in rounds)


def measure_ratios(runs: int) -> Ratios:
    """Measure every row of the table: PySODMetrics' CPU time as a multiple of disbench's, by size."""
    ratios: Ratios = {}
    for flavour in ("typical", "noisy"):
        for size in SIZES:
            rounds, _ = score.time_pairs(*size, flavour, runs)
            ratios.setdefault(f"five measures, {flavour} maps", []).append(median_ratio(rounds, [0], [1]))
            from_files = ratios.setdefault(f"five measures from PNG files, reading included, {flavour} maps", [])
            from_files.append(median_ratio(rounds, [0, 2], [1, 3]))
    for flavour in ("typical", "sharp"):
        for size in SIZES:
            rounds, unequal = effort.time_pairs(*size, flavour, list(KINDS)[:2], runs)
            assert not unequal, f"{unequal} efforts differ from PySODMetrics'"
            ratios.setdefault(f"human correction efforts, {flavour} maps", []).append(median_ratio(rounds, [0], [1]))
    return ratios


def measure_others(runs: int, birefnet: Path | None) -> Ratios:
    """Measure the context measure, and with BiRefNet's code its boundary IoU, at the two smaller sizes."""
    code = runpy.run_path(str(birefnet)) if birefnet else {}
    rows = {"context": "context measure, typical maps"}
    if code:
        rows["boundary IoU, BiRefNet's"] = "boundary IoU at all thresholds, typical maps, BiRefNet's code"
    ratios: Ratios = {row: [] for row in rows.values()}
    listed = list_measures(code)
    for size in SIZES[:2]:
        truths = [draw_truth(*size, kind) for kind in list(KINDS)[:2]]
        pairs = [(draw_mask(truth, "typical"), truth) for truth in truths]
        for name, row in rows.items():
            theirs, ours = listed[name]
            rounds = []
            for mask, truth in pairs:
                args = mask, np.where(truth > 128, np.uint8(255), np.uint8(0)), int(mask.min()), int(mask.max())
                np.testing.assert_allclose(ours(*args), theirs(mask, truth), atol=1e-4)
                rounds += [(seconds(theirs, mask, truth), seconds(ours, *args)) for _ in range(runs)]
            ratios[row].append(median_ratio(rounds, [0], [1]))
    return ratios


def name_processor() -> str:
    """Return the name of the processor as Linux gives it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.split(":")[1] for line in lines if "model name" in line]
    return f"{len(names)} cores of {names[0].strip()}" if names else platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1, help="timed rounds per image")
    parser.add_argument("--history", type=Path, help="a file of JSON lines, to which this run is appended")
    parser.add_argument("--birefnet", type=Path, help="evaluation/metrics.py of BiRefNet, for its boundary IoU")
    options = parser.parse_args()
    score.prepare()
    effort.prepare()
    sys.modules["tqdm"] = Mock()  # for progress bars of BiRefNet's code
    ratios = measure_ratios(options.runs) | measure_others(options.runs, options.birefnet)
    machine, now = name_processor(), datetime.now(UTC).strftime("%Y-%m-%d")
    print("| ratio of CPU time, PySODMetrics 1.6.2 / disbench | " + " | ".join(f"{h} x {w}" for h, w in SIZES), "|")
    print("|---|" + "--:|" * len(SIZES))
    for name, values in ratios.items():
        cells = [f"{value:.0f}" if value >= 10 else f"{value:.1f}" for value in values]
        print(f"| {name} | " + " | ".join(cells + [""] * (len(SIZES) - len(cells))), "|")
    print(f"\ndisbench {disbench.__version__}, {now}, one thread, {machine}, Python {platform.python_version()}.")
    if options.history:
        record = {"version": disbench.__version__, "date": now, "machine": machine}
        record["ratios"] = {name: [round(value, 1) for value in values] for name, values in ratios.items()}
        with options.history.open("a") as file:
            file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
