"""The camouflage context measure against PySODMetrics and its naive formula, and CIEDE2000 against published pairs."""

from pathlib import Path

import naive_camouflage
import naive_context
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysod_classes import draw_image, frozen_pairs

import disbench.pysodmetrics
from disbench.errors import InputError
from disbench.metrics.camouflage import camouflage_degree, colour_difference, rgb_to_lab
from disbench.metrics.measurement import measure
from disbench.metrics.scoring import per_image, score

KEY = "camouflage_context"

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


def measured(pairs, protocol="pysod"):
    return [measure(mask, truth, protocol, KEY, image=draw_image(truth.shape)) for mask, truth in pairs]


def test_the_metric_equals_that_of_pysodmetrics():
    frozen = np.load(Path(__file__).parents[1] / "goldens" / "pysodmetrics.npz")["uint8: CamouflageContextMeasure"]
    assert score(measured(frozen_pairs()), metrics=KEY)[KEY] == pytest.approx(frozen.item(), abs=1e-9)


def test_the_metric_and_the_class_agree():
    pairs = frozen_pairs(("blobs, noise", "no truth, typical", "one pixel, constant 77", "three by five"))
    scorer = disbench.pysodmetrics.CamouflageContextMeasure()
    for mask, truth in pairs:
        scorer.step(mask, truth, img=draw_image(truth.shape))
    assert per_image(measured(pairs), metrics=KEY)[KEY].tolist() == scorer.scores
    assert 0 < scorer.scores[0] < 1 and scorer.scores[1] == 0


@settings(max_examples=5, deadline=None)
@given(st.tuples(st.integers(13, 20), st.integers(13, 20)), st.integers(0, 999))
def test_the_metric_equals_the_naive_one(size, seed):
    rng = np.random.default_rng(seed)
    truth = np.zeros((30, 34), np.uint8)
    truth[4 : 4 + size[0], 3 : 3 + size[1]] = 255
    mask = np.maximum(truth // 2, rng.integers(0, 200, truth.shape, np.uint8))
    degrees = naive_camouflage.degree(draw_image(truth.shape), truth > 0, 8, 20)
    assert degrees.max() > 0
    expected = naive_context.context_measure(mask, truth, degrees, 1.2)
    assert score(measured([(mask, truth)]), metrics=KEY)[KEY] == pytest.approx(expected, abs=1e-6)


def test_a_protocol_of_binary_maps_scores_the_binary_map():
    mask, truth = frozen_pairs(("blobs, typical",))[0]
    binary = np.where(mask / 255 > (mask.min() / 255 + mask.max() / 255) / 2, np.uint8(255), np.uint8(0))
    images = [measured([(array, truth)], "pysod,diffdis")[0] for array in (mask, binary)]
    assert score(images[:1], "diffdis", KEY) == score(images[1:], "pysod", KEY) != score(images[:1], "pysod", KEY)


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ({}, "camouflage_context needs the image; give it as image="),
        ({"image": np.zeros((9, 9, 3), np.uint8)}, r"image is \(9, 9, 3\), truth is \(8, 9\); give the image of this"),
        ({"image": np.zeros((8, 9), np.uint8)}, r"image: got uint8 of shape \(8, 9\), expected uint8 \(h, w, 3\) RGB"),
    ],
)
def test_another_image_is_refused(inputs, why):
    truth = np.zeros((8, 9), np.uint8)
    truth[2:5] = 255
    with pytest.raises(InputError, match=why):
        measure(truth, truth, metrics=KEY, **inputs)


def test_a_meter_has_no_images():
    with pytest.raises(InputError, match="camouflage_context needs images, which only `score` and `run` take"):
        disbench.Meter(metrics=KEY)
