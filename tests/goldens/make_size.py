"""Freeze size-invariant measures of PySODMetrics on the pairs of make_pysod.py into size.npz, next to this file.

Runs where make_pysod.py does. Kappa is left out, as its formula there is not Cohen's. Where PySODMetrics fails, NaN is
frozen.
"""

import warnings
from pathlib import Path

import numpy as np
import py_sod_metrics as sod
from make_pysod import pairs
from make_pysod_handlers import HANDLERS

KEYS = [name for name in HANDLERS if name not in ("f", "kappa")]


def answers(name, mask, truth):
    """max, mean, adaptive, binary; the first two as in the examples of PySODMetrics' repository."""
    handler, options = HANDLERS[name]
    measure = sod.SizeInvarianceFmeasureV2()
    measure.add_handler(name, handler(True, True, with_binary=True, **options))
    try:
        measure.step(mask, truth)
    except (AssertionError, ArithmeticError, IndexError, ValueError) as error:
        print(f"{name}: {error!r}")
        return [np.nan] * 4
    results = measure.get_results()[name]
    curves = np.atleast_2d(results["dynamic"][0])
    return curves.max(-1).mean(), curves.mean(-1).mean(), results["adaptive"], results["binary"]


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    frozen = {name: pair for name, pair in pairs().items() if pair[0].size < 1_000_000}
    scores = [[answers(name, *pair) for name in KEYS] for pair in frozen.values()]
    output = Path(__file__).with_name("size.npz")
    np.savez_compressed(output, names=np.array(list(frozen)), keys=np.array(KEYS), scores=np.array(scores, float))
