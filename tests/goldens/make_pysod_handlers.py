"""Freeze the answers of PySODMetrics' handlers on the pairs of make_pysod.py into pysod_handlers.npz.

Runs where make_pysod.py does.
"""

from pathlib import Path

import numpy as np
import py_sod_metrics as sod
from make_pysod import pairs

HANDLERS = {
    "f": (sod.FmeasureHandler, {"beta": 0.3}),
    "f1": (sod.FmeasureHandler, {"beta": 1}),
    "iou": (sod.IOUHandler, {}),
    "dice": (sod.DICEHandler, {}),
    "precision": (sod.PrecisionHandler, {}),
    "recall": (sod.RecallHandler, {}),
    "specificity": (sod.SpecificityHandler, {}),
    "fpr": (sod.FPRHandler, {}),
    "ber": (sod.BERHandler, {}),
    "accuracy": (sod.OverallAccuracyHandler, {}),
    "kappa": (sod.KappaHandler, {}),
}


def answers(frozen, sample_based):
    """name -> the results of one handler over some pairs; curves from threshold 0 up, not from 255 down."""
    measure = sod.FmeasureV2()
    for name, (handler, options) in HANDLERS.items():
        measure.add_handler(name, handler(True, True, with_binary=True, sample_based=sample_based, **options))
    for mask, truth in frozen:
        measure.step(mask, truth)
    results = measure.get_results()
    return {name: {**result, "dynamic": result["dynamic"][::-1]} for name, result in results.items()}


if __name__ == "__main__":
    frozen = list(pairs().values())
    per_pair = [answers([pair], True) for pair in frozen]
    images, pixels = answers(frozen, True), answers(frozen, False)
    numbers = {}
    for name in HANDLERS:
        numbers |= {
            # 16 of 256 thresholds, both ends included.
            f"{name} curves": [row[name]["dynamic"][::17] for row in per_pair],
            f"{name} adaptive": [row[name]["adaptive"] for row in per_pair],
            f"{name} binary": [row[name]["binary"] for row in per_pair],
            f"{name} curve": images[name]["dynamic"],
            f"{name} scores": [images[name]["adaptive"], images[name]["binary"], pixels[name]["binary"]],
        }
    np.savez_compressed(Path(__file__).with_name("pysod_handlers.npz"), names=np.array(list(pairs())), **numbers)
