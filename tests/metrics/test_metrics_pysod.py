"""Agreement with PySODMetrics 1.6.2, whose answers goldens/make_pysod.py has frozen."""

from pathlib import Path

import naive
import numpy as np
import pytest

from disbench.metrics.measurement import measure_soft as measure  # measure() refuses dark truths, which are drawn, too
from disbench.metrics.scoring import curves, per_image

FROZEN = dict(np.load(Path(__file__).parents[1] / "goldens" / "pysod.npz"))
NAMES = FROZEN["names"].tolist()
# PySODMetrics divides by N - 1 = 0 pixels here.
SINGLE = "one pixel in all"
# A quadrant of S that is constant in map and truth: similarity 1, which PySODMetrics' rounded sums miss.
CONSTANT_QUADRANTS = {"one pixel, constant 77", "one pixel, constant 128"}
CURVES = ("precision", "recall", "f", "e")
NUMBERS = ("f_adaptive", "e_adaptive", "s_measure", "f_weighted", "mae")


def pair(name):
    i = NAMES.index(name)
    return FROZEN[f"mask{i}"], FROZEN[f"truth{i}"]


@pytest.mark.parametrize("name", [name for name in NAMES if name != SINGLE])
def test_curves_are_equal_to_the_last_bit(name):
    mean_curves = curves([measure(*pair(name))])
    for key in CURVES:
        assert (mean_curves[key] == FROZEN[key][NAMES.index(name)]).all(), key


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("name", [name for name in NAMES if name != SINGLE])
def test_numbers_agree(name, key):
    score, frozen = per_image([measure(*pair(name))])[key][0], FROZEN[key][NAMES.index(name)]
    if key == "s_measure" and (name in CONSTANT_QUADRANTS or np.isnan(frozen)):
        assert abs(score - frozen) > 1e-9 or np.isnan(frozen)
        assert score == pytest.approx(naive.s_measure(*pair(name)), abs=1e-12)
    else:
        assert score == pytest.approx(frozen, abs=1e-9)


def test_one_pixel_differs_only_in_e():
    scores = per_image([measure(*pair(SINGLE))])
    assert {key: scores[key][0] for key in ("e_max", "e_mean", "e_adaptive")} == pytest.approx(
        {"e_max": 1, "e_mean": 41 / 256, "e_adaptive": 0}
    )
    for key in ("f_adaptive", "s_measure", "f_weighted", "mae"):
        assert scores[key][0] == pytest.approx(FROZEN[key][NAMES.index(SINGLE)], abs=1e-9)


def test_mean_curves_are_equal_to_the_last_bit():
    names = [name for name in NAMES if name != SINGLE]
    mean_curves = curves([measure(*pair(name)) for name in names])
    for key in CURVES:
        assert (mean_curves[key] == FROZEN[key][[NAMES.index(name) for name in names]].mean(0)).all(), key
