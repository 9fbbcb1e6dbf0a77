"""Measure how much protocols change the scores of the same maps: the tables of docs/protocols.md.

Takes a run with its maps that was measured for all protocols, as this command makes it on DIS-Mini:

    disbench run --model diffdis --data mini --alone --metrics f_max,hce \
        --protocol pysod,birefnet,mvanet,mvanet-2024-11,mvanet-2024,isnet,diffdis,pdfnet
    python benchmarks/protocols.py runs/diffdis/KEY
"""

import argparse
from pathlib import Path

import cv2

from disbench.data.dataset import OVERALL
from disbench.data.images import read_map, read_truth
from disbench.metrics.catalogue import METRICS
from disbench.metrics.measurement import measure
from disbench.metrics.protocols import PROTOCOLS
from disbench.metrics.resize import resize_map
from disbench.metrics.scoring import score
from disbench.reports.publish import find_samples
from disbench.runs.result import Result, load_run

KEYS = ("f_max", "f_mean", "f_adaptive", "f_weighted", "e_max", "e_mean", "e_adaptive", "s_measure", "mae", "hce",
        "iou_binary", "ber_binary", "accuracy_binary", "dice_soft")  # fmt: skip
PIXELS = ("f_max", "f_mean", "f_adaptive", "f_weighted", "e_mean", "e_adaptive", "s_measure", "mae")
RESIZES = {"opencv-bilinear": "birefnet, pdfnet", "pillow-bicubic": "mvanet, mvanet-2024-11, mvanet-2024, diffdis"}
LONGEST = 1024  # longest side to which maps are reduced before a method enlarges them again


def print_table(keys: tuple[str, ...], first: dict[str, float], rows: dict[str, dict[str, float]], label: str) -> None:
    """Print Markdown: the scores of the first row, and the differences of the other rows from them."""
    print("| | " + " | ".join(METRICS[key].symbol for key in keys) + " |")
    print("| :-- |" + " --: |" * len(keys))
    print(f"| {label} | " + " | ".join(f"{first[key]:.{4 if first[key] < 2 else 1}f}" for key in keys) + " |")
    for name, scores in rows.items():
        differences = [format_difference(scores[key] - first[key], first[key]) for key in keys]
        print(f"| {name} | {' | '.join(differences)} |")
    print()


def format_difference(difference: float, value: float) -> str:
    if difference == 0:
        return "0"
    if abs(difference) < 5e-5:
        return f"{difference:+.0e}"
    return f"{difference:+.4f}" if abs(value) < 2 else f"{difference:+.1f}"


def score_resized(result: Result) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Return the scores of the maps, and of the maps reduced to LONGEST and enlarged by each method of RESIZES."""
    measurements: dict[str, list] = {name: [] for name in ("", *RESIZES)}
    rows = {(row.split, row.name): row for split in result.splits for row in result.rows[split]}
    for sample in find_samples(result):
        mask, truth = read_map(result.mask(rows[sample.split, sample.name])), read_truth(sample.truth)
        scale = min(1, LONGEST / max(mask.shape))
        size = [max(1, round(side * scale)) for side in mask.shape[::-1]]
        small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
        measurements[""].append(measure(mask, truth))
        for resize in RESIZES:
            measurements[resize].append(measure(resize_map(small, truth.shape, resize), truth))
    scores = {name: score(measured, metrics=PIXELS) for name, measured in measurements.items()}
    return scores.pop(""), {f"{resize} ({RESIZES[resize]})": values for resize, values in scores.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    result = load_run(parser.parse_args().run)
    split = OVERALL if OVERALL in result.scores(["mae"]) else result.splits[0]
    scores = {name: result.with_protocol(name).scores(KEYS)[split] for name in PROTOCOLS}
    print(f"{result.title} on {result.dataset}, {split}, {len(result.measurements(split))} images\n")
    print_table(KEYS, scores.pop("pysod"), scores, "pysod")
    unchanged, rows = score_resized(result)
    print_table(PIXELS, unchanged, rows, "as they are")


if __name__ == "__main__":
    main()
