"""Measures of boundaries against frozen answers of BiRefNet's evaluation, and against the naive ones."""

import naive_boundary
import numpy as np
import pytest
from hypothesis import given, settings
from measure_pairs import NAMES, drawn_pairs, frozen_answer, frozen_pair, prepared

from disbench.metrics.boundary import boundary_iou, grey_boundary_iou, mean_boundary_accuracy


@pytest.mark.parametrize("name", NAMES)
def test_birefnets_boundary_iou(name):
    curve = grey_boundary_iou(*prepared(*frozen_pair(name)))
    np.testing.assert_allclose([*curve[::17], curve.max(), curve.mean()], frozen_answer("biou", name), 0, 1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_birefnets_mba(name):
    mask, foreground, *_ = prepared(*frozen_pair(name))
    mba, frozen = mean_boundary_accuracy(mask, foreground), frozen_answer("mba", name)
    if foreground.all() or not foreground.any():
        assert np.isnan(frozen)
        assert mba == 0
    else:
        assert mba == frozen


@settings(max_examples=150, deadline=None)
@given(drawn_pairs())
def test_fast_is_naive(pair):
    mask, foreground, *span = prepared(*pair)
    assert boundary_iou(mask, foreground, *span) == naive_boundary.boundary_iou(*pair)
    assert grey_boundary_iou(mask, foreground, *span).tolist() == naive_boundary.grey_boundary_iou(*pair)
    assert mean_boundary_accuracy(mask, foreground) == pytest.approx(
        naive_boundary.mean_boundary_accuracy(*pair), abs=1e-15
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("enlarged")])
def test_fast_is_naive_where_boundaries_are_wide(name):
    mask, truth = frozen_pair(name)
    mask, foreground, *span = prepared(mask, truth)
    assert boundary_iou(mask, foreground, *span) == naive_boundary.boundary_iou(mask, truth)
    assert 0 < boundary_iou(mask, foreground, *span) < 1
    assert grey_boundary_iou(mask, foreground, *span).tolist() == naive_boundary.grey_boundary_iou(mask, truth)
    assert mean_boundary_accuracy(mask, foreground) == pytest.approx(
        naive_boundary.mean_boundary_accuracy(mask, truth), abs=1e-15
    )


def test_a_moved_square_by_hand():
    truth = np.zeros((100, 100), np.uint8)  # 2 % of the diagonal are 3 pixels, the radii of mBA are 1
    truth[20:40, 20:40] = 255
    mask = np.zeros_like(truth)
    mask[50:70, 20:40] = 255
    assert boundary_iou(truth, truth, 0, 255) == 1
    assert boundary_iou(mask, truth, 0, 255) == 0
    assert mean_boundary_accuracy(truth, truth) == 1
    assert mean_boundary_accuracy(255 - truth, truth) == 0
    assert mean_boundary_accuracy(mask, truth) == (4 * 20) / (4 * 20 + 4 * 19)  # the outer side is right
    mask[:] = 255
    assert boundary_iou(mask, mask, 0, 255) == 1  # the border of the image is a boundary
    assert boundary_iou(mask, truth, 0, 255) == 0
    mask[:] = 0
    mask[20:40, 20:60] = 255
    ring, shared = 20**2 - 14**2, 3 * 20 + 2 * 17 * 3
    assert boundary_iou(mask, truth, 0, 255) == shared / (ring + 40 * 20 - 34 * 14 - shared)
