"""Multi-scale IoU against frozen answers of PySODMetrics, as it is and without its overflow, and the naive one."""

import naive_multiscale
import numpy as np
import pytest
from hypothesis import given, settings
from measure_pairs import NAMES, drawn_pairs, frozen_answer, frozen_pair, prepared

from disbench.metrics.multiscale import multiscale_curve, multiscale_iou

# At most 2047 edge pixels in the truth, as many as float16 counts exactly.
FEW = 2048


def numbers(scores):
    return [scores["adaptive"], scores["binary"]]


@pytest.mark.parametrize("name", NAMES)
def test_pysodmetrics_with_exact_sums(name):
    scores = numbers(multiscale_iou(*prepared(*frozen_pair(name))))
    np.testing.assert_allclose(scores, frozen_answer("multiscale exact", name), 0, 1e-14)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("enlarged")])
def test_pysodmetrics_curve_with_exact_sums(name):
    curve = multiscale_curve(*prepared(*frozen_pair(name)))
    answer = [*curve[::16], curve.max(), curve.mean()]
    np.testing.assert_allclose(answer, frozen_answer("multiscale curve", name), 0, 1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_pysodmetrics_as_it_is(name):
    mask, truth = frozen_pair(name)
    scores, frozen = numbers(multiscale_iou(*prepared(mask, truth))), frozen_answer("multiscale", name)
    edges = naive_multiscale.edges(truth > 128).sum()
    if edges < FEW:
        np.testing.assert_allclose(scores, frozen, 0, 1e-14)
    elif edges < 65504:
        np.testing.assert_allclose(scores, frozen, 2e-4)
    else:
        assert (frozen < np.array(scores) - 1e-3).all()


def test_frozen_pairs_reach_both_sides_of_each_limit():
    edges = [naive_multiscale.edges(frozen_pair(name)[1] > 128).sum() for name in NAMES]
    assert sum(count < FEW for count in edges) >= 12
    assert sum(count >= FEW for count in edges) >= 3


def test_a_perfect_map_with_more_edges_than_float16_counts_has_1():
    truth = np.zeros((600, 700), np.uint8)
    truth[::2, ::7] = 255
    assert naive_multiscale.edges(truth > 128).sum() > 65504
    assert multiscale_iou(truth, truth, 0, 255) == pytest.approx({"adaptive": 1, "binary": 1}, abs=1e-15)


@settings(max_examples=150, deadline=None)
@given(drawn_pairs())
def test_fast_is_naive(pair):
    assert multiscale_iou(*prepared(*pair)) == pytest.approx(naive_multiscale.multiscale_iou(*pair), abs=1e-14)


@settings(max_examples=10, deadline=None)
@given(drawn_pairs())
def test_fast_curve_is_naive(pair):
    np.testing.assert_allclose(multiscale_curve(*prepared(*pair)), naive_multiscale.curve(*pair), 0, 1e-14)


def test_all_scales_of_a_large_image_are_naive():
    rng = np.random.default_rng(3)
    truth, mask = ((rng.random((1100, 1300)) < share).astype(np.uint8) * 255 for share in (1e-5, 3e-5))
    score = multiscale_iou(mask, truth, 0, 255)["binary"]
    assert score == pytest.approx(naive_multiscale.iou_of_binary(mask > 0, truth > 0), abs=1e-14)
    assert 0 < score < 0.9


def test_edges_of_the_scale():
    empty, full = np.zeros((20, 30), np.uint8), np.full((20, 30), 255, np.uint8)
    dot = empty.copy()
    dot[5, 5] = 255
    assert multiscale_iou(full, empty, 0, 255)["binary"] == 1  # the truth has no edge
    assert multiscale_iou(full, full, 0, 255)["binary"] == 1
    assert multiscale_iou(empty, dot, 0, 255)["binary"] == pytest.approx(
        (sum(1 / (cells + 1) for cells in (8, 4, 2, 2, 1, 1, 1, 1, 1, 1)) - (1 / 9 + 1 / 2) / 2) / 9
    )
