"""The classes of disbench.pysodmetrics: CPU time against disbench.measure, and against PySODMetrics if it is installed.

Each class is timed in turn with measure() and score() for the same numbers, on the same arrays, in one process, so only
the ratios are meaningful. Where PySODMetrics 1.6.2 is installed, as in the environment of score.py, it is timed once:

    PYTHONPATH=. python benchmarks/pysodmetrics.py [--sizes 1024x1024,2048x2048]
"""

import argparse
import statistics
import warnings
from collections.abc import Callable

import cv2
import numpy as np
from clock import seconds
from pairs import FLAVOURS, draw_mask, draw_truth

import disbench.pysodmetrics as ours
from disbench.metrics.measurement import measure
from disbench.metrics.scoring import curves, score

try:
    import py_sod_metrics as theirs
except ImportError:
    theirs = None

F_METRICS = "f_max,f_mean,f_adaptive,f_binary,f_whole"
# name -> how a package makes the class, and the metrics of measure() that are the same numbers
CLASSES: dict[str, tuple[Callable, str]] = {
    "MAE": (lambda sod: sod.MAE(), "mae"),
    "Fmeasure": (lambda sod: sod.Fmeasure(), "f_max,f_mean,f_adaptive"),
    "FmeasureV2, 11 handlers": (
        lambda sod: sod.FmeasureV2({name: handler(True, True, with_binary=True) for name, handler in handlers(sod)}),
        ",".join(
            f"{name}_{variant}"
            for name in ("f", "iou", "dice", "precision", "recall", "specificity", "accuracy", "kappa")
            for variant in ("max", "mean", "adaptive", "binary")
        ),
    ),
    "Emeasure": (lambda sod: sod.Emeasure(), "e_max,e_mean,e_adaptive"),
    "Smeasure": (lambda sod: sod.Smeasure(), "s_measure"),
    "WeightedFmeasure": (lambda sod: sod.WeightedFmeasure(), "f_weighted"),
    "HumanCorrectionEffort": (lambda sod: sod.HumanCorrectionEffortMeasure(), "hce"),
    "MSIoU, two maps": (lambda sod: sod.MSIoU(False, True, with_binary=True), "msiou_adaptive,msiou_binary"),
    "MSIoU, curve": (lambda sod: sod.MSIoU(True, False), "msiou_max"),
    "SizeInvarianceMAE": (lambda sod: sod.SizeInvarianceMAE(), "size_mae"),
    "SizeInvarianceFmeasureV2": (
        lambda sod: sod.SizeInvarianceFmeasureV2({"f": sod.FmeasureHandler(True, True, with_binary=True)}),
        "size_f_max,size_f_mean,size_f_adaptive,size_f_binary",
    ),
    "ContextMeasure": (lambda sod: sod.ContextMeasure(), "context"),
    "CamouflageContextMeasure": (lambda sod: sod.CamouflageContextMeasure(), ""),
}


def handlers(sod) -> list[tuple[str, Callable]]:
    names = ("Fmeasure", "BER", "DICE", "FPR", "IOU", "Kappa", "OverallAccuracy", "Precision", "Recall", "Specificity")
    return [(name, getattr(sod, f"{name}Handler")) for name in (*names, "TNR")]


def step(sod, make: Callable, pair: tuple[np.ndarray, np.ndarray], image: np.ndarray) -> None:
    metric = make(sod)
    metric.step(*pair, **({"img": image} if isinstance(metric, sod.CamouflageContextMeasure) else {}))
    metric.get_results()


def measure_same(pair: tuple[np.ndarray, np.ndarray], metrics: str) -> None:
    measured = [measure(*pair, metrics=metrics)]
    score(measured, metrics=metrics)
    curves(measured)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="timed calls per image")
    parser.add_argument("--sizes", default="1024x1024,2048x2048")
    parser.add_argument("--flavours", default=",".join(FLAVOURS))
    parser.add_argument("--most", type=int, default=2**20, help="pixels above which the slowest classes are skipped")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    cv2.setNumThreads(1)
    small = draw_truth(64, 64, "mixed"), draw_truth(64, 64, "mixed")
    for make, metrics in CLASSES.values():  # compile
        step(ours, make, small, np.dstack([small[0]] * 3))
        measure_same(small, metrics or "mae")
    print("size       flavour  class                      class     measure   ratio   PySODMetrics  ratio")
    for size in options.sizes.split(","):
        height, width = map(int, size.split("x"))
        image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        image = cv2.GaussianBlur(image, (0, 0), 3)
        truth = draw_truth(height, width, "mixed")
        for flavour in options.flavours.split(","):
            pair = draw_mask(truth, flavour), truth
            for name, (make, metrics) in CLASSES.items():
                is_slow = name.startswith(("MSIoU, curve", "SizeInvariance", "Camouflage"))
                if truth.size > options.most and name.startswith("Camouflage"):
                    continue
                times = [
                    (seconds(step, ours, make, pair, image), seconds(measure_same, pair, metrics) if metrics else 0)
                    for _ in range(options.runs if metrics else 1)
                ]
                fast, same = (statistics.median(column) for column in zip(*times, strict=True))
                row = f"{size:10} {flavour:8} {name:25} {fast * 1e3:7.1f} ms "
                row += f"{same * 1e3:7.1f} ms {fast / same:6.2f}" if metrics else f"{'':17}"
                if theirs and not (is_slow and truth.size > options.most // 4):
                    slow = seconds(step, theirs, make, pair, image)
                    row += f" {slow:10.3f} s {slow / fast:8.0f}"
                print(row, flush=True)


if __name__ == "__main__":
    main()
