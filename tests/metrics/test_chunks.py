"""Scores do not depend on how many images are taken at a time, and memory does not grow with the number of images."""

import gc
import tracemalloc

import numpy as np
import pytest
from fake_runs import measurements
from hypothesis import given, settings
from hypothesis import strategies as st

from disbench.metrics import image_scores
from disbench.metrics.catalogue import METRICS, STANDARD
from disbench.metrics.image_scores import RunningMean
from disbench.metrics.protocols import PROTOCOLS
from disbench.metrics.scoring import curves, per_image, score

KEYS = [key for key, metric in METRICS.items() if not metric.optional]
MEASURES = ("precision", "recall", "f", "f1", "e", "iou")


def score_in_chunks(images, protocol, size):
    """Return everything that is computed from images, `size` at a time, as bytes or floats."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_scores, "IMAGES_PER_CHUNK", size)
        lines = {name: line.tobytes() for name, line in curves(images, protocol, MEASURES).items()}
        each = {key: values.tobytes() for key, values in per_image(images, protocol, KEYS).items()}
        return score(images, protocol, KEYS), lines, each


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=5, deadline=None)
@given(n=st.integers(1, 30), size=st.integers(1, 31), empty=st.integers(0, 30), seed=st.integers(0, 9))
def test_scores_are_the_same_bits_for_any_number_of_images_at_a_time(protocol, n, size, empty, seed):
    images = measurements(n, seed=seed, empty=empty)
    assert score_in_chunks(images, protocol, size) == score_in_chunks(images, protocol, n)


@pytest.mark.parametrize("size", [1, 7, 128])
def test_curves_are_added_image_by_image_and_numbers_are_averaged_together(size, monkeypatch):
    """The slow sums, in Python: of one curve after the other, and numpy.mean of one number for each image."""
    monkeypatch.setattr(image_scores, "IMAGES_PER_CHUNK", size)
    images = measurements(20)
    total = [0.0] * 256
    for image in images:
        precision = [_precision(image, threshold) for threshold in range(256)]
        total = [before + value for before, value in zip(total, precision, strict=True)]
    assert curves(images, measures=["precision"])["precision"].tolist() == [value / 20 for value in total]
    stored = [image.values["s_measure"] for image in images]
    assert score(images, metrics="s_measure")["s_measure"] == np.mean(stored)


def _precision(image, threshold):
    """Return the precision of a map whose levels reach from 0 to 255, so that it is not stretched."""
    levels = np.arange(256) >= threshold
    hits, positives = int(image.fg_hist[levels].sum()), int((image.fg_hist + image.bg_hist)[levels].sum())
    return hits / positives if positives else 0.0


def test_the_drawn_maps_reach_from_0_to_255():
    assert all((image.fg_hist + image.bg_hist)[[0, 255]].all() for image in measurements(20))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(1, 40), st.sampled_from([1, 3]))
def test_a_running_mean_is_the_mean_of_all_rows(values, size, width):
    rows = np.array(values)[:, None] * np.arange(1, width + 1)
    mean = RunningMean()
    for start in range(0, len(rows), size):
        mean.add(rows[start : start + size])
    assert mean.mean().tolist() == rows.mean(0).tolist()


@pytest.mark.parametrize("function", [score, per_image, lambda images, protocol, metrics: curves(images, protocol)])
@pytest.mark.parametrize("protocol", ["pysod", "isnet"])
def test_memory_does_not_hold_the_curves_of_all_images(function, protocol):
    """The curves of 1,500 images take 3 MB for each measure, and counts take four times that."""
    images = measurements(1) * 1500
    gc.disable()  # cycles would hold the arrays of chunks that are done with
    tracemalloc.start()
    try:
        function(images, protocol, STANDARD)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert peak < 12 << 20
