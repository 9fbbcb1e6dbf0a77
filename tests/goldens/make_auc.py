"""Freeze AUC-PR and AUC-ROC as the examples of PySODMetrics compute them, on the pairs of make_pysod.py, into auc.npz.

The examples have two orders of points with the same x, which give different areas: from threshold 255 down, as
metric_recorder.py, and from 0 up, as test_metrics.py.

Runs where make_pysod.py does, with scikit-image and NumPy before 2.4, and needs a checkout of PySODMetrics 1.6.2:

    git clone https://github.com/lartpang/PySODMetrics && git -C PySODMetrics checkout ac5b1fc
    pysod-env/bin/python tests/goldens/make_auc.py PySODMetrics/examples
"""

import os
import runpy
import sys
import warnings
from pathlib import Path

import numpy as np
import py_sod_metrics as sod
from make_pysod import pairs


def curves(frozen):
    """P, R and FPR of the images, from threshold 255 down."""
    measure = sod.FmeasureV2()
    handlers = {"P": sod.PrecisionHandler, "R": sod.RecallHandler, "FPR": sod.FPRHandler}
    for name, handler in handlers.items():
        measure.add_handler(name, handler(with_adaptive=False, with_dynamic=True))
    for mask, truth in frozen:
        measure.step(mask, truth)
    return (measure.get_results()[name]["dynamic"] for name in handlers)


def areas(cal_auc, frozen):
    """AUC-PR and AUC-ROC from 255 down, then both from 0 up."""
    down = list(curves(frozen))
    up = [np.flip(curve, -1) for curve in down]
    return [cal_auc(y=y, x=x) for precision, recall, fpr in (down, up) for y, x in ((precision, recall), (recall, fpr))]


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    output = Path(__file__).resolve().with_name("auc.npz")
    os.chdir(sys.argv[1])
    cal_auc = runpy.run_path("test_metrics.py", run_name="examples")["cal_auc"]
    frozen = pairs()
    each = [areas(cal_auc, [pair]) for pair in frozen.values()]
    np.savez_compressed(output, names=np.array(list(frozen)), each=each, together=areas(cal_auc, frozen.values()))
