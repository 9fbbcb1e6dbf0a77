"""Further measures compared with PySODMetrics 1.6.2 and BiRefNet's evaluation: paired CPU time, and agreement.

All are timed in turn, on the same arrays, in one process, so only the ratios are meaningful. The environment is that of
score.py with Pillow; it also needs a checkout of https://github.com/ZhengPeng7/BiRefNet:

    PYTHONPATH=. pair-env/bin/python benchmarks/measures.py BiRefNet/evaluation/metrics.py [--sizes 1024x1024,2048x2048]

PySODMetrics' multi-scale IoU gets edge maps in float64, since its own overflow. Its size-invariant measures take
minutes, so they are skipped above --most pixels. Its curve of multi-scale IoU is always skipped.
"""

import argparse
import runpy
import statistics
import sys
import warnings
from collections.abc import Callable
from unittest.mock import Mock

import cv2
import numpy as np
import py_sod_metrics as sod
from clock import seconds
from pairs import FLAVOURS, draw_mask, draw_truth

from disbench.metrics.boundary import boundary_iou, grey_boundary_iou, mean_boundary_accuracy
from disbench.metrics.context import context_measure
from disbench.metrics.multiscale import multiscale_curve, multiscale_iou
from disbench.metrics.sizes import size_invariant


class ExactMSIoU(sod.MSIoU):
    def get_edge(self, mask):
        return super().get_edge(mask).astype(np.float64)


def multiscale(mask, truth):
    metric = ExactMSIoU(False, True, with_binary=True)
    metric.step(mask, truth)
    return [metric.adaptive_results[0], metric.binary_results[0]]


def sizes(mask, truth):
    mae, f = sod.SizeInvarianceMAE(), sod.SizeInvarianceFmeasureV2()
    f.add_handler("f", sod.FmeasureHandler(True, True, with_binary=True, beta=0.3))
    mae.step(mask, truth)
    f.step(mask, truth)
    results = f.get_results()["f"]
    curves = results["dynamic"][0]
    return [mae.maes[0], curves.max(-1).mean(), curves.mean(-1).mean(), results["adaptive"], results["binary"]]


def context(mask, truth):
    metric = sod.ContextMeasure()
    metric.step(mask, truth)
    return [metric.scores[0]]


def list_measures(birefnet: dict) -> dict[str, tuple[Callable | None, Callable]]:
    """Return the other code's function and disbench's by measure; both return numbers.

    The former takes mask and truth, the latter mask, foreground, lowest and highest level.
    """

    def step_metric(name, numbers):
        def answer(mask, truth):
            metric = birefnet[name]()
            metric.step(mask, truth)
            return np.ravel(getattr(metric, numbers)[0])[::-1]

        return answer

    return {
        "boundary IoU, BiRefNet's": (step_metric("BIoUMeasure", "bious"), grey_boundary_iou),
        "boundary IoU, binary": (None, lambda *args: [boundary_iou(*args)]),
        "mBA": (
            step_metric("MBAMeasure", "bas"),
            lambda mask, foreground, *_: [mean_boundary_accuracy(mask, foreground)],
        ),
        "multi-scale IoU": (multiscale, lambda *args: list(multiscale_iou(*args).values())),
        "multi-scale IoU, curve": (None, lambda *args: list(multiscale_curve(*args))),
        "size-invariant MAE, F": (sizes, lambda *args: list(size_invariant(*args).values())),
        "context": (context, lambda *args: [context_measure(*args)]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("birefnet", help="evaluation/metrics.py of BiRefNet")
    parser.add_argument("--runs", type=int, default=3, help="timed pairs per image")
    parser.add_argument("--sizes", default="1024x1024,2048x2048")
    parser.add_argument(
        "--most", type=int, default=2**20, help="pixels above which PySODMetrics' size-invariant measures are skipped"
    )
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    cv2.setNumThreads(1)
    sys.modules["tqdm"] = Mock()  # for progress bars
    measures = list_measures(runpy.run_path(options.birefnet))
    for _, ours in measures.values():
        ours(*np.eye(16, dtype=np.uint8)[None].repeat(2, 0) * 255, 0, 255)  # compile
    print("size       flavour  measure                     theirs     disbench   ratio (range)   greatest difference")
    for size in options.sizes.split(","):
        height, width = map(int, size.split("x"))
        for flavour in FLAVOURS:
            truth = draw_truth(height, width, "mixed")
            mask = draw_mask(truth, flavour)
            args = mask, np.where(truth > 128, np.uint8(255), np.uint8(0)), int(mask.min()), int(mask.max())
            for name, (theirs, ours) in measures.items():
                fast = [seconds(ours, *args) for _ in range(options.runs)]
                row = f"{size:10} {flavour:8} {name:25}"
                if theirs is None or (theirs is sizes and mask.size > options.most):
                    print(f"{row} {'':9} {statistics.median(fast) * 1e3:10.1f} ms", flush=True)
                    continue
                difference = np.abs(np.subtract(ours(*args), theirs(mask, truth))).max()
                pairs = [(seconds(theirs, mask, truth), seconds(ours, *args)) for _ in range(options.runs)]
                ratios = sorted(a / b for a, b in pairs)
                slow, fast = (statistics.median(column) for column in zip(*pairs, strict=True))
                print(
                    f"{row} {slow:7.3f} s {fast * 1e3:10.1f} ms {statistics.median(ratios):6.0f}",
                    f"({ratios[0]:.0f}-{ratios[-1]:.0f})".ljust(12),
                    f"{difference:.0e}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
