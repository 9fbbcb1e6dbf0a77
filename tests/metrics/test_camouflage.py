"""The degree of camouflage against its naive formula, and CIEDE2000 against published pairs."""

import naive_camouflage
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysod_classes import draw_image

from disbench.metrics.camouflage import camouflage_degree, colour_difference, rgb_to_lab

# From the table of test data of Sharma et al. 2005.
PUBLISHED = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.4900, -0.0010), (50, -2.4900, 0.0009), 7.1792),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("first", "second", "expected"), PUBLISHED)
def test_colour_differences_equal_the_published_ones(first, second, expected):
    colours = np.array([first], float), np.array([second], float)
    assert colour_difference(*colours)[0] == pytest.approx(expected, abs=5e-5)
    assert colour_difference(*colours[::-1])[0] == pytest.approx(expected, abs=5e-5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 255)] * 6), min_size=1, max_size=8))
def test_colour_differences_equal_the_naive_ones(rows):
    colours = np.array(rows, np.uint8)
    first, second = rgb_to_lab(colours[:, :3]), rgb_to_lab(colours[:, 3:])
    expected = [
        naive_camouflage.ciede2000(naive_camouflage.lab_of(c[:3]), naive_camouflage.lab_of(c[3:])) for c in colours
    ]
    assert colour_difference(first, second) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=8, deadline=None)
@given(st.tuples(st.integers(5, 26), st.integers(5, 26)), st.integers(0, 999), st.integers(1, 12), st.integers(0, 40))
def test_degrees_equal_the_naive_ones(size, seed, gamma, weight):
    rng = np.random.default_rng(seed)
    inside = np.zeros((34, 41), bool)
    y, x = rng.integers(0, 20, 2)
    inside[y : y + size[0], x : x + size[1]] = True
    inside &= rng.random(inside.shape) < 0.995
    image = np.roll(draw_image(inside.shape), seed, 1)
    expected = naive_camouflage.degree(image, inside, gamma, weight)
    assert camouflage_degree(image, inside, gamma, weight) == pytest.approx(expected, abs=1e-9)


def test_a_foreground_like_its_surroundings_is_camouflaged_and_a_bright_one_is_not():
    inside = np.zeros((60, 60), bool)
    inside[20:41, 20:41] = True
    image = np.full((60, 60, 3), 70, np.uint8)
    degrees = camouflage_degree(image, inside, 8, 20)
    covered = degrees == 1
    assert covered[21:39, 21:39].all() and (degrees[~inside] == 0).all()
    image[inside] = 255
    assert camouflage_degree(image, inside, 8, 20).max() < 0.05


@pytest.mark.parametrize("fill", [False, True])
def test_without_foreground_or_surroundings_nothing_is_camouflaged(fill):
    image = np.full((30, 30, 3), 70, np.uint8)
    assert not camouflage_degree(image, np.full((30, 30), fill), 8, 20).any()
