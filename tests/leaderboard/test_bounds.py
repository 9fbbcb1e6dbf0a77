"""Bounds of stored values: no map leaves them, and values that no map has are refused."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_pairs import pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_pairs import drawn_pairs

from disbench.leaderboard.bounds import MATTING, check_values
from disbench.metrics.catalogue import METRICS
from disbench.metrics.measurement import measure_soft as measure  # measure() refuses dark truths, which are drawn, too
from disbench.metrics.protocols import PROTOCOLS
from disbench.runs.row_log import Row


@st.composite
def near_edges(draw):
    """Foreground in few rows or columns at one edge, where quadrants are empty, and a map like it."""
    height, width, rows = draw(st.integers(1, 12)), draw(st.integers(1, 12)), draw(st.integers(1, 6))
    truth = np.zeros((height, width), np.uint8)
    truth[-rows:, draw(st.integers(0, 3)) :] = 255
    noise = np.random.default_rng(draw(st.integers(0, 999))).integers(0, 256, truth.shape, np.uint8)
    share = draw(st.sampled_from([0, 0.1, 0.5, 1]))
    turns = draw(st.integers(0, 3))
    prediction = (truth * (1 - share) + noise * share).astype(np.uint8)
    return tuple(np.ascontiguousarray(np.rot90(array, turns)) for array in (prediction, truth))


def violations(prediction, truth, metrics=None):
    if truth.max() == 1:
        truth = truth * 255
    trimap = np.where(prediction % 3 == 0, truth // 128 * 255, 128).astype(np.uint8)
    image = Row("DIS-VD", "a", measure(prediction, truth, ",".join(PROTOCOLS), metrics, trimap=trimap), {}, "")
    return list(check_values([image], binary_truths=bool(np.isin(truth, [0, 255]).all())))


@settings(max_examples=30, deadline=None)
@given(st.one_of(pairs(), drawn_pairs(), near_edges()))
def test_no_map_leaves_the_bounds(pair):
    assert violations(*pair) == []


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(st.one_of(pairs(), drawn_pairs(), near_edges()))
def test_no_map_leaves_the_bounds_of_any_measure(pair):
    assert violations(*pair, list(METRICS)) == []


@settings(max_examples=15, deadline=None)
@given(st.one_of(pairs(), drawn_pairs()))
def test_no_map_leaves_the_bounds_of_alpha_mattes(pair):
    keys = [key for key in METRICS if key.removesuffix("_unknown") in MATTING]
    assert len(keys) == 10 and violations(*pair, keys) == []


@settings(max_examples=30, deadline=None)
@given(st.one_of(pairs(), drawn_pairs()))
def test_no_map_leaves_the_bounds_of_outlines_and_of_sizes(pair):
    assert violations(*pair, ["boundary_f_binary", "boundary_recall", "size_kappa_max", "size_ber_max"]) == []


TRUTH = np.repeat(np.array([255, 0], np.uint8), 50)[None].repeat(10, 0)  # half is foreground


@pytest.mark.parametrize(
    ("prediction", "column", "value", "is_possible"),
    [
        (TRUTH, "s_measure", 1.0, True),  # O = 1
        (TRUTH, "s_measure", 1.0001, False),
        (255 - TRUTH, "s_measure", 0.5, True),  # O = 0
        (255 - TRUTH, "s_measure", 0.5001, False),
        (255 - TRUTH, "s_measure", 0.0, True),
        (TRUTH, "f_weighted", 1.0, True),  # nothing is missed or spilled
        (TRUTH, "f_weighted", 0.9999, False),
        # T = 500 is missed at least by 500 * 0.0238 (the centre of the blur), and 500 spills at least 500 * 1.1294:
        # F = 2 h / (T + h + s) <= 2 * 488.1 / (500 + 488.1 + 564.7) = 0.6287
        (255 - TRUTH, "f_weighted", 0.62, True),
        (255 - TRUTH, "f_weighted", 0.64, False),
        (255 - TRUTH, "f_weighted", 0.0, True),
        (TRUTH, "f_weighted", float("nan"), False),
        (TRUTH, "f_weighted", float("inf"), False),
        (TRUTH, "biou_binary", -1e-6, False),
        (TRUTH, "hce_fp_points", 1.0, False),  # no pixel is wrong
        (255 - TRUTH, "hce_fp_points", 1000.0, True),  # 500 pixels are wrongly foreground
        (255 - TRUTH, "hce_fp_points", 1001.0, False),
        (255 - TRUTH, "hce_fn_regions", 501.0, False),
        # 1000 pixels. The truth of 500 levels of 255 is between 129 and 255, and of 500 levels of 0 between 0 and 128.
        (TRUTH, "sad", 0.0, True),
        (TRUTH, "size_kappa_mean", -1.0, True),
        (TRUTH, "size_kappa_mean", -1.01, False),
        (TRUTH, "size_iou_mean", -0.01, False),
        (TRUTH, "boundary_f_binary", 1.01, False),
        (TRUTH, "sad", (500 * 126 + 500 * 128) / 255000, True),
        (TRUTH, "sad", (500 * 126 + 500 * 128 + 1) / 255000, False),
        (255 - TRUTH, "mad", 127 / 255, False),
        (255 - TRUTH, "mad", (129 + 127) / 2 / 255, True),
        (255 - TRUTH, "alpha_mse", 0.2, False),
        (TRUTH, "alpha_mse_unknown", 1.0, True),
        (TRUTH, "sad_unknown", 1.0, False),
        (TRUTH, "conn", 1.0, True),
        (TRUTH, "conn", 1.001, False),
        (TRUTH, "grad", 17.0, False),  # 1000 * 2 * 0.284² / 10 = 16.2
        (TRUTH, "grad", -0.0, False),
    ],
)
def test_a_value_is_refused_from_its_bound_on(prediction, column, value, is_possible):
    measurement = measure(prediction, TRUTH)
    forged = replace(measurement, values={column: value})
    assert (list(check_values([Row("DIS-VD", "a", forged, {}, "")], binary_truths=True)) == []) is is_possible
