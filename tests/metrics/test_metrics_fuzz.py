"""A thousand degenerate pairs against the papers' formulas.

Ragged sizes, single pixels, lines, grey truths and constant maps. Sizes straddle the widths at which the kernels change
blocks, and the distance at which weights saturate.
"""

import naive
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from disbench.metrics.measurement import measure
from disbench.metrics.scoring import curves, per_image

PAIRS, PER_TEST = 1000, 50


def draw_shape(rng):
    long, short = np.exp(rng.uniform(0, np.log((440, 40)))).astype(int)
    return (short, long) if rng.random() < 0.7 else (long, short)


def blobs(rng, shape):
    return gaussian_filter(rng.normal(0, 1, shape), rng.uniform(1, 12)) > rng.uniform(-0.02, 0.06)


def dots(rng, shape):
    return rng.random(shape) < rng.choice([0.0005, 0.01, 0.1, 0.5, 0.95])


def one_pixel(rng, shape):
    truth = np.zeros(shape, bool)
    truth[tuple(rng.integers(0, shape))] = True
    return truth


def a_line(rng, shape):
    """From one pixel to another; all but that line, every second time."""
    truth = np.zeros(shape, bool)
    ends = rng.integers(0, shape, (2, 2))
    truth[tuple(np.linspace(*ends, max(shape)).round().astype(int).T)] = True
    return truth ^ (rng.random() < 0.5)


def grid(rng, shape):
    """Equidistant columns and rows, where the choice of the nearest pixel matters."""
    truth = np.zeros(shape, bool)
    truth[:: rng.integers(2, 9), :: rng.integers(2, 200)] = True
    return truth


TRUTHS = (blobs, dots, one_pixel, a_line, grid)


def any_levels(rng, truth):
    return rng.integers(0, 256, truth.shape)


def soft(rng, truth):
    """What a network returns: much of it at 0 and 255."""
    return gaussian_filter(truth * 255.0, rng.uniform(0.5, 4)) + rng.normal(0, rng.choice([0, 20]), truth.shape)


def unsure(rng, truth):
    """Never 0 or 255."""
    return gaussian_filter(truth * 180.0, 1.5) + rng.integers(0, 9, truth.shape) + 20


def binary(rng, truth):
    return 255 * (rng.random(truth.shape) < 0.3)


def sparse(rng, truth):
    """One level nearly everywhere: blocks and tiles that need nothing, next to one that does."""
    return np.where(rng.random(truth.shape) < 0.002, rng.integers(0, 256, truth.shape), 255 * truth)


def constant(rng, truth):
    return np.full(truth.shape, rng.integers(0, 256))


MASKS = (any_levels, soft, unsure, binary, sparse, constant)


def draw(seed):
    rng = np.random.default_rng(seed)
    shape = draw_shape(rng)
    if rng.random() < 0.1:  # a grey truth
        truth = rng.integers(0, 256, shape).astype(np.uint8)
    else:
        truth = TRUTHS[rng.integers(len(TRUTHS))](rng, shape).astype(np.uint8) * np.uint8(255)
    if 0 < truth.max() <= 128:
        truth[0, 0] = 129  # a truth that is not empty and has no foreground would be refused
    return MASKS[rng.integers(len(MASKS))](rng, truth > 128).clip(0, 255).astype(np.uint8), truth


@pytest.mark.parametrize("first", range(0, PAIRS, PER_TEST))
def test_degenerate_pairs(first):
    for seed in range(first, first + PER_TEST):
        mask, truth = draw(seed)
        m = measure(mask, truth)
        scores = per_image([m])
        assert scores["f_weighted"][0] == pytest.approx(naive.f_weighted(mask, truth), abs=1e-11), seed
        assert scores["mae"][0] == pytest.approx(naive.mae(mask, truth), abs=1e-12), seed
        if mask.size < 300:  # fractions are slow
            assert scores["s_measure"][0] == pytest.approx(naive.s_measure(mask, truth), abs=1e-12), seed
        if seed % 10 == 0:
            curve, expected = curves([m]), naive.curves(mask, truth)
            for key in expected:
                np.testing.assert_allclose(curve[key], expected[key], rtol=0, atol=1e-12, err_msg=f"{key} {seed}")
