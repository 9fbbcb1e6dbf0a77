"""Measures of outlines against frozen answers of DAVIS, Depth Pro and HQ-SAM, and against the naive ones."""

from pathlib import Path

import naive_outlines
import numpy as np
import pytest
from drawn_pairs import pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_pairs import drawn_pairs, frozen_pair, prepared

from disbench.metrics.measurement import measure_soft as measure  # measure() refuses dark truths, which are drawn, too
from disbench.metrics.outlines import boundary_f, boundary_recall
from disbench.metrics.scoring import score

FROZEN = dict(np.load(Path(__file__).parents[1] / "goldens" / "outlines.npz"))
KEYS = ("boundary_f_binary", "boundary_recall", "biou_binary")


@pytest.mark.parametrize("index", range(len(FROZEN["names"])), ids=FROZEN["names"])
def test_equal_to_the_code_of_davis_depth_pro_and_hq_sam(index):
    """HQ-SAM's mBIoU is biou_binary. It is NaN without foreground in map and truth, where biou_binary is 0."""
    scores = score([measure(*frozen_pair(str(FROZEN["names"][index])), metrics=KEYS)], metrics=KEYS)
    assert scores["boundary_f_binary"] == pytest.approx(FROZEN["boundary_f"][index], abs=1e-13)
    assert scores["boundary_recall"] == pytest.approx(FROZEN["boundary_recall"][index], abs=1e-13)
    assert scores["biou_binary"] == pytest.approx(np.nan_to_num(FROZEN["biou"][index]), abs=1e-7)  # float32


def test_the_goldens_are_not_trivial():
    for key in ("boundary_f", "boundary_recall", "biou"):
        assert ((FROZEN[key] > 0.05) & (FROZEN[key] < 0.95)).sum() >= 10
    assert np.isnan(FROZEN["biou"]).sum() == 1


@settings(max_examples=60, deadline=None)
@given(st.one_of(pairs(), drawn_pairs()))
def test_fast_is_naive(pair):
    arguments = prepared(*pair)
    assert boundary_f(*arguments) == pytest.approx(naive_outlines.boundary_f(*pair), abs=1e-13)
    assert boundary_recall(*arguments) == pytest.approx(naive_outlines.boundary_recall(*pair), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.one_of(pairs(), drawn_pairs()))
def test_a_perfect_map_has_all_edges_and_transposing_an_image_changes_nothing(pair):
    mask, truth = pair
    foreground = np.where(truth > 128, np.uint8(255), np.uint8(0))
    assert boundary_f(*prepared(foreground, truth)) == 1
    steps = [np.diff(foreground.astype(int), axis=axis) for axis in (0, 1)]
    directions = sum(bool((sign * step > 0).any()) for step in steps for sign in (1, -1))  # that have an edge
    assert boundary_recall(*prepared(foreground, truth)) == pytest.approx(directions / 4)
    transposed = [np.ascontiguousarray(image.T) for image in (mask, truth)]
    assert boundary_recall(*prepared(*transposed)) == pytest.approx(boundary_recall(*prepared(*pair)), abs=1e-15)
    assert boundary_f(*prepared(*transposed)) == boundary_f(*prepared(*pair))


def test_outlines_match_within_the_bound_and_not_beyond():
    """600 x 800: 0.8 % of the diagonal is 8 pixels."""
    truth = np.zeros((600, 800), np.uint8)
    truth[100:500, 200:600] = 255
    for shift, expected in ((8, 1.0), (9, 0.5)):
        moved = np.zeros_like(truth)
        moved[100:500, 200 + shift : 600 + shift] = 255
        # The left and right sides are matched up to 8 pixels, the other two but for their ends.
        assert boundary_f(*prepared(moved, truth)) == pytest.approx(expected, abs=0.02)


def test_a_ratio_that_equals_a_threshold_is_not_above_it():
    truth = np.array([[0, 255, 255]], np.uint8)
    weights = 189 + 4 * np.arange(10)
    for level, below in ((105, 0), (106, 1), (125, 9), (126, 10)):
        mask = np.array([[100, level, 0]], np.uint8)  # ratios 1.05, 1.06, 1.25 and 1.26
        expected = weights[:below].sum() / (4 * weights.sum())
        assert boundary_recall(*prepared(mask, truth)) == pytest.approx(expected)
