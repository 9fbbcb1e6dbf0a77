"""Otsu's threshold, the model that every machine can run."""

import numpy as np
import pytest

from disbench.models import load


@pytest.fixture
def otsu():
    return load("otsu", None, "cpu")


@pytest.mark.parametrize(
    ("colour", "level"), [((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29), ((255, 255, 255), 255)]
)
def test_it_looks_at_luminance(otsu, colour, level):
    prepared = otsu.predictor.prepare(np.full((4, 6, 3), colour, np.uint8))
    assert (prepared.shape, prepared.dtype) == ((1, 4, 6), np.uint8)
    assert (prepared == level).all()


@pytest.mark.parametrize(("inside", "outside"), [(30, 255), (220, 10)])
def test_the_object_is_what_touches_the_border_less(otsu, inside, outside):
    """A dark one on white as well as a bright one on black."""
    truth = np.zeros((20, 30), np.uint8)
    truth[0:12, 4:11] = 255  # it touches the border, if less
    image = np.where(truth[..., None] > 0, inside, outside).astype(np.uint8).repeat(3, axis=2)
    assert np.array_equal(otsu.predict(image), truth)


def test_each_picture_of_a_batch_has_a_threshold_of_its_own(otsu):
    dark, bright = np.full((2, 1, 8, 8), 10, np.uint8)
    dark[0, 2:5, 2:5], bright[:] = 40, 200
    bright[0, 2:5, 2:5] = 240
    first, second = otsu.predictor.infer(np.stack([dark, bright]))
    assert np.array_equal(first, second) and first.sum() == 9
