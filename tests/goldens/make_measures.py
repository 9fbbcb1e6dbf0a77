"""Freeze further measures of PySODMetrics and BiRefNet's evaluation on the pairs of make_pysod.py into measures.npz.

Runs where make_pysod.py does, with Pillow, and needs a checkout of https://github.com/ZhengPeng7/BiRefNet:

    pysod-env/bin/python tests/goldens/make_measures.py BiRefNet/evaluation/metrics.py

Where they fail, or have no number, NaN is frozen.
"""

import runpy
import sys
import warnings
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import py_sod_metrics as sod
from make_pysod import pairs

# Of some pairs there is one more, with pixels of 6 x 6 and the map moved against the truth, for boundaries some pixels
# wide.
ENLARGED = ("wheel, poor", "hairs, typical", "blobs, typical", "blobs, noise")


def enlarged(mask, truth):
    mask, truth = (array.repeat(6, 0).repeat(6, 1) for array in (mask, truth))
    return np.roll(mask, (2, 5), (0, 1)), truth


class ExactMSIoU(sod.MSIoU):
    """With edge maps in float64, whose sums neither round nor overflow."""

    def get_edge(self, mask):
        return super().get_edge(mask).astype(np.float64)


def multiscale(cls, mask, truth):
    metric = cls(False, True, with_binary=True)
    metric.step(mask, truth)
    return metric.adaptive_results[0], metric.binary_results[0]


def multiscale_curve(mask, truth):
    """Of 257 thresholds 17, both ends included, then the maximum and the mean of all."""
    if truth.size > 100_000:  # of which it takes minutes
        return [np.nan] * 19
    metric = ExactMSIoU(True, False)
    metric.step(mask, truth)
    curve = metric.get_results()["dynamic"]
    return *curve[::16], curve.max(), curve.mean()


def size_mae(mask, truth):
    metric = sod.SizeInvarianceMAE()
    metric.step(mask, truth)
    return metric.maes[0]


def size_f(mask, truth):
    """max, mean, adaptive, binary; the first two as in the examples of PySODMetrics' repository."""
    metric = sod.SizeInvarianceFmeasureV2()
    metric.add_handler("f", sod.FmeasureHandler(True, True, with_binary=True, beta=0.3))
    metric.step(mask, truth)
    results = metric.get_results()["f"]
    curves = np.atleast_2d(results["dynamic"][0])
    return curves.max(-1).mean(), curves.mean(-1).mean(), results["adaptive"], results["binary"]


def context(mask, truth):
    metric = sod.ContextMeasure()
    metric.step(mask, truth)
    return metric.scores[0]


def biou(birefnet, mask, truth):
    """Of 256 thresholds 16, both ends included, then the maximum and the mean of all."""
    metric = birefnet["BIoUMeasure"]()
    metric.step(mask, truth)
    curve = metric.bious[0][::-1]  # from threshold 0 up
    return *curve[::17], curve.max(), curve.mean()


def mba(birefnet, mask, truth):
    metric = birefnet["MBAMeasure"]()
    metric.step(mask, truth)
    return metric.bas[0]


def answers(birefnet, pair):
    def ask(numbers, function, *args):
        try:
            return function(*args, *pair)
        except (AssertionError, ArithmeticError, np.linalg.LinAlgError) as error:
            print(f"{function.__name__}: {error!r}")
            return [np.nan] * numbers if numbers > 1 else np.nan

    return {
        "biou": ask(18, biou, birefnet),
        "mba": ask(1, mba, birefnet),
        "multiscale": ask(2, multiscale, sod.MSIoU),
        "multiscale exact": ask(2, multiscale, ExactMSIoU),
        "multiscale curve": ask(19, multiscale_curve),
        "size mae": ask(1, size_mae),
        "size f": ask(4, size_f),
        "context": ask(1, context),
    }


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    sys.modules["tqdm"] = Mock()  # for progress bars
    birefnet = runpy.run_path(sys.argv[1])
    frozen = pairs()
    frozen |= {f"{name}, enlarged": enlarged(*frozen[name]) for name in ENLARGED}
    rows = [answers(birefnet, pair) for pair in frozen.values()]
    np.savez_compressed(
        Path(__file__).with_name("measures.npz"),
        names=np.array(list(frozen)),
        **{key: np.array([row[key] for row in rows], np.float64) for key in rows[0]},
    )
