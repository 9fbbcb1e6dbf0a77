"""The context measure against frozen answers of PySODMetrics, and against the naive one."""

import naive_context
import numpy as np
import pytest
from hypothesis import given, settings
from measure_pairs import NAMES, drawn_pairs, frozen_answer, frozen_pair, prepared

from disbench.metrics.context import context_measure

SLANTED = {"two pixels, noise"}  # the foreground is on one slanted line, whose covariance is singular


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SLANTED])
def test_pysodmetrics(name):
    assert context_measure(*prepared(*frozen_pair(name))) == pytest.approx(frozen_answer("context", name), abs=1e-6)


@pytest.mark.parametrize("name", SLANTED)
def test_a_slanted_line_is_naive(name):
    pair = frozen_pair(name)
    assert context_measure(*prepared(*pair)) == pytest.approx(naive_context.context_measure(*pair), abs=1e-6)
    assert abs(naive_context.context_measure(*pair) - frozen_answer("context", name)) > 1e-3


@settings(max_examples=150, deadline=None)
@given(drawn_pairs())
def test_fast_is_naive(pair):
    assert context_measure(*prepared(*pair)) == pytest.approx(naive_context.context_measure(*pair), abs=1e-6)


@pytest.mark.parametrize("corner", [(0, 0), (0, 60), (40, 0), (40, 60), (20, 30), (0, 30), (20, 0), (2, 3)])
def test_near_the_border_it_is_naive(corner):
    """Objects whose blur is mirrored at some sides of the image, and cut to their surroundings at others."""
    truth, rng = np.zeros((70, 90), np.uint8), np.random.default_rng(1)
    truth[corner[0] : corner[0] + 30, corner[1] : corner[1] + 30] = rng.choice([0, 255], (30, 30))
    mask = rng.integers(0, 256, truth.shape, np.uint8)
    assert context_measure(*prepared(mask, truth)) == pytest.approx(
        naive_context.context_measure(mask, truth), abs=1e-6
    )


def test_edges_of_the_scale():
    empty, full = np.zeros((20, 30), np.uint8), np.full((20, 30), 255, np.uint8)
    assert context_measure(full, empty, 0, 255) == 0
    assert context_measure(empty, full, 0, 255) == 0
    assert context_measure(full, full, 0, 255) == pytest.approx(1, abs=1e-6)


def test_a_line_of_a_slope_that_pixels_hit_is_blurred_along_itself():
    truth = np.eye(60, dtype=np.uint8) * 255
    assert context_measure(*prepared(truth, truth)) == pytest.approx(1, abs=1e-6)
