"""The fast measures against the papers' formulas, on maps drawn at random and on those that strain one shortcut."""

import naive
import numpy as np
import pytest
from drawn_pairs import pairs
from hypothesis import given, settings

from disbench.metrics.measurement import measure_soft as measure  # measure() refuses dark truths, which are drawn, too
from disbench.metrics.scoring import curves, per_image


def check(mask, truth):
    m = measure(mask, truth)
    scores, curve = per_image([m]), curves([m])
    for key, expected in naive.curves(mask, truth).items():
        np.testing.assert_allclose(curve[key], expected, rtol=0, atol=1e-12, err_msg=key)
    f_adaptive, e_adaptive = naive.adaptive(mask, truth)
    expected = {
        "f_adaptive": f_adaptive,
        "e_adaptive": e_adaptive,
        "s_measure": naive.s_measure(mask, truth),
        "f_weighted": naive.f_weighted(mask, truth),
        "mae": naive.mae(mask, truth),
    }
    assert {key: scores[key][0] for key in expected} == pytest.approx(expected, abs=1e-11)


@settings(max_examples=80, deadline=None)
@given(pairs())
def test_fast_is_naive(pair):
    check(*pair)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_distances_beyond_saturation(rng):
    truth = np.zeros((2, 420), np.uint8)
    truth[0, 210] = 255
    check(rng.integers(0, 256, truth.shape, np.uint8), truth)
    check(*(np.ascontiguousarray(a.T) for a in (rng.integers(0, 256, truth.shape, np.uint8), truth)))


def test_rows_and_blocks_that_need_a_long_search_next_to_some_that_do_not(rng):
    truth = np.zeros((9, 700), np.uint8)
    truth[:, ::90] = 255
    truth[4, 300:340] = 255
    mask = rng.integers(0, 256, truth.shape, np.uint8)
    mask[2], mask[:, 256:512] = 0, 0
    mask[6, 300] = 200
    check(mask, truth)


@pytest.mark.parametrize("step", [2, 3, 4, 5, 6, 8])
def test_equidistant_foreground_is_chosen_as_scipy_does(rng, step):
    truth = np.zeros((25, 37), np.uint8)
    truth[::step, ::step] = 255
    check(rng.integers(0, 256, truth.shape, np.uint8), truth)
    truth[:, ::step] = 255
    check(rng.integers(0, 256, truth.shape, np.uint8), truth)


@pytest.mark.parametrize("gap", [1, 4, 5, 6, 7])
def test_errors_that_are_blurred_across_the_border_of_two_tiles(rng, gap):
    """One line is right, the other wrong, and the pixels between take their errors from the nearer of them."""
    for left in range(60 - gap, 68):
        truth = np.zeros((6, 140), np.uint8)
        truth[:, [left, left + gap]] = 255
        mask = rng.integers(0, 255, truth.shape, np.uint8)
        for right in (left, left + gap):
            mixed = mask.copy()
            mixed[:, right] = 255
            assert f_weighted(mixed, truth) == pytest.approx(naive.f_weighted(mixed, truth), abs=1e-12)


@pytest.mark.parametrize("distance", [0, 1, 60, 126, 127, 128, 129, 180, 181, 190])
def test_foreground_blocks_away_from_the_only_levels_that_count(distance):
    for column in (0, 127, 128, 250):
        truth = np.zeros((3, 441), np.uint8)
        truth[1, column] = 255
        mask = truth.copy()
        mask[:, column + distance] |= 9
        assert f_weighted(mask, truth) == pytest.approx(naive.f_weighted(mask, truth), abs=1e-12)
        assert f_weighted(*flipped(mask, truth)) == pytest.approx(naive.f_weighted(mask, truth), abs=1e-12)


def f_weighted(mask, truth):
    return measure(mask, truth).values["f_weighted"]


def flipped(*images):
    return [np.ascontiguousarray(image[:, ::-1]) for image in images]


@pytest.mark.parametrize("width", [8, 16, 24, 64])
@pytest.mark.parametrize("column", [0, 1, 7, 8, 9])
def test_quadrants_that_split_and_touch_words(rng, width, column):
    truth = np.zeros((5, width), np.uint8)
    truth[:, min(column, width - 1)] = 255
    mask = np.where(rng.random(truth.shape) < 0.3, 100, truth).astype(np.uint8)
    check(mask, truth)


def test_the_centroid_rounds_half_to_even():
    for rows in ((0, 1), (1, 2), (2, 3)):
        truth = np.zeros((6, 6), np.uint8)
        truth[rows, 2] = 255
        check(np.arange(36, dtype=np.uint8).reshape(6, 6), truth)
