"""Freeze the results of PySODMetrics' classes on some pairs of make_pysod.py into pysodmetrics.npz.

Runs where make_pysod.py does. Multi-scale IoU gets edge maps in float64, because PySODMetrics' own sums overflow.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import py_sod_metrics as sod

sys.path.append(str(Path(__file__).parents[1] / "helpers"))

from pysod_classes import CLASSES, conventions_of, frozen_pairs, list_numbers, step_all


class ExactMSIoU(sod.MSIoU):
    def get_edge(self, mask):
        return super().get_edge(mask).astype(np.float64)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    sod.MSIoU = ExactMSIoU
    pairs, frozen = frozen_pairs(), {}
    for name, make in CLASSES.items():
        some = pairs[:1] if name == "MSIoU, curve" else pairs  # it takes long
        for convention in conventions_of(name):
            results = dict(list_numbers(step_all(make(sod), convention, some).get_results()))
            names = frozen.setdefault(f"{name}: names", np.array(list(results)))
            assert names.tolist() == list(results)  # the same for all conventions
            frozen[f"{convention}: {name}"] = np.concatenate(list(results.values()))
    np.savez_compressed(Path(__file__).with_name("pysodmetrics.npz"), **frozen)
