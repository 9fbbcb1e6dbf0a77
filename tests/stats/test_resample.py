"""Every resampled score is the score of the resampled data set; intervals, tests and Holm follow their definitions."""

import tracemalloc
from dataclasses import replace

import naive_statistics as naive
import numpy as np
import pytest
from fake_runs import measurements
from hypothesis import given, settings
from hypothesis import strategies as st

from disbench.errors import InputError
from disbench.metrics import image_scores
from disbench.metrics.catalogue import METRICS, PAPER
from disbench.metrics.pixel_metrics import column_of_metric
from disbench.metrics.protocols import PROTOCOLS, get_protocol
from disbench.metrics.scoring import score
from disbench.stats import resample
from disbench.stats.decisive import find_decisive
from disbench.stats.intervals import bca_interval, bca_intervals
from disbench.stats.resample import CHUNK, bootstrap_scores, build_columns, draw_weights, jackknife_scores
from disbench.stats.significance import adjust_holm, randomise_pairs

CURVES = {"biou_max": 256, "msiou_max": 257}  # of maps, stored as curves
KEYS = [key for key, metric in METRICS.items() if not metric.optional] + [*CURVES]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=4, deadline=None)
@given(drawn=st.lists(st.integers(0, 5), min_size=6, max_size=6), empty=st.integers(0, 2))
def test_a_resampled_score_is_that_of_the_resampled_data_set(protocol, drawn, empty):
    rng, counts = np.random.default_rng(0), np.bincount(drawn, minlength=6)
    columns_of = {column_of_metric(key, get_protocol(protocol)): size for key, size in CURVES.items()}
    images = [
        replace(m, values=m.values | {name: rng.random(size).tolist() for name, size in columns_of.items()})
        for m in measurements(6, empty=empty)
    ]
    columns = build_columns(images, protocol, KEYS)
    scores = columns.reduce_means((counts @ columns.values / 6)[None])[0]
    for key, value in zip(columns.slices, scores, strict=True):
        assert value == pytest.approx(naive.resampled(images, counts, protocol, key), abs=1e-12), key


@pytest.mark.parametrize("protocol", ["pysod", "mvanet", "isnet"])
def test_bootstrap_jackknife_and_interval_equal_the_slow_way(protocol):
    images = measurements(12, empty=1)
    columns = build_columns(images, protocol, ("f_max", "s_measure", "iou_whole"))
    drawn = np.concatenate(list(draw_weights(12, 60, seed=3)))
    assert (drawn.sum(1) == 12).all()
    (resampled,), jackknifed = bootstrap_scores([columns], 60, seed=3), jackknife_scores(columns)
    for k, key in enumerate(columns.slices):
        slow = [naive.resampled(images, counts, protocol, key) for counts in drawn]
        np.testing.assert_allclose(resampled[:, k], slow, atol=2e-6)
        slow_jackknifed = naive.left_out(images, protocol, key)
        np.testing.assert_allclose(jackknifed[:, k], slow_jackknifed, atol=1e-8)
        value = score(images, protocol, key)[key]
        assert bca_interval(value, resampled[:, k], jackknifed[:, k]) == pytest.approx(
            naive.bca(value, slow, slow_jackknifed), abs=1e-5
        )


def test_the_maximum_is_taken_of_each_resampled_mean_curve():
    """Not the resampled maximum of each image, nor the value at the threshold of the whole data set."""
    columns = build_columns(measurements(20), metrics="f_max")
    (resampled,) = bootstrap_scores([columns], 200)
    best_threshold = columns.values.mean(0).argmax()
    drawn = np.concatenate(list(draw_weights(20, 200)))
    assert (resampled[:, 0] >= (drawn @ columns.values / 20)[:, best_threshold] - 1e-6).all()
    assert resampled.max() < (drawn @ columns.values.max(1) / 20).max()


def test_intervals_are_those_of_a_mean_where_the_score_is_one():
    images = measurements(300)
    values = np.array([m.values["s_measure"] for m in images])
    value, low, high = bca_intervals(build_columns(images, metrics="s_measure"))["s_measure"]
    half = 1.96 * values.std(ddof=1) / np.sqrt(300)
    assert value == pytest.approx(values.mean())
    assert (low, high) == pytest.approx((value - half, value + half), abs=0.12 * half)


def test_the_same_seed_gives_the_same_and_another_does_not():
    columns = build_columns(measurements(15), metrics=PAPER)
    assert bca_intervals(columns, 700) == bca_intervals(columns, 700)
    assert bca_intervals(columns, 700) != bca_intervals(columns, 700, seed=1)
    (few,), (more,) = bootstrap_scores([columns], CHUNK), bootstrap_scores([columns], 2 * CHUNK)
    np.testing.assert_array_equal(few, more[:CHUNK])


def test_the_random_streams_stay_as_they_are():
    """Published intervals and p must come out again for their seed. The numbers are written down, not derived."""
    drawn = np.concatenate(list(draw_weights(5, 2, seed=0)))
    assert drawn.dtype == np.float32
    assert drawn.tolist() == [[0, 2, 1, 1, 1], [1, 3, 1, 0, 0]]
    assert np.concatenate(list(draw_weights(5, 2, seed=1))).tolist() != drawn.tolist()
    first, second = measurements(12, 0.7, seed=1), measurements(12, 0.74, seed=2)
    p = randomise_pairs(*(build_columns(images, metrics="s_measure") for images in (first, second)), 1000, seed=0)
    assert p[0] == pytest.approx(748 / 1001, abs=1e-9)


def test_the_interval_of_identical_images_is_the_score():
    images = measurements(1) * 12
    for value, low, high in bca_intervals(build_columns(images, metrics=PAPER), 300).values():
        assert low == pytest.approx(value, abs=1e-6)
        assert high == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("key", ["f_max", "mae"])
def test_p_is_that_of_all_exchanges(key):
    first, second = measurements(8, 0.62, seed=1), measurements(8, 0.7, seed=2)
    p = randomise_pairs(build_columns(first, metrics=key), build_columns(second, metrics=key), 20_000)[0]
    assert p == pytest.approx(naive.randomisation(first, second, "pysod", key), abs=0.015)


def test_methods_are_drawn_alike_and_exchanged_image_by_image():
    first = measurements(40, 0.6)
    better = [replace(m, values=m.values | {"s_measure": m.values["s_measure"] + 0.001}) for m in first]
    worse, improved = (build_columns(images, metrics="s_measure") for images in (first, better))
    a, b = bootstrap_scores([worse, improved], 500)
    np.testing.assert_allclose(b - a, 0.001, atol=1e-6)  # between images it differs by a hundred times that
    assert randomise_pairs(worse, improved)[0] < 0.001
    assert randomise_pairs(worse, worse)[0] == 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_holm_rejects_what_the_procedure_rejects(p, alpha):
    adjusted = adjust_holm(p)
    near = [abs(a - alpha) < 1e-9 for a in adjusted]
    assert {i for i, a in enumerate(adjusted) if a <= alpha and not near[i]} == {
        i for i in naive.rejected(p, alpha) if not near[i]
    }


def test_a_metric_that_was_not_measured_is_an_input_error():
    with pytest.raises(InputError, match="hce"):
        build_columns(measurements(3), metrics="hce")


@pytest.mark.parametrize("protocol", ["pysod", "mvanet", "isnet"])
@settings(max_examples=3, deadline=None)
@given(size=st.integers(1, 25), seed=st.integers(0, 9))
def test_columns_that_are_not_kept_give_the_same(protocol, size, seed):
    first, second = (measurements(23, quality, seed, empty=2) for quality in (0.6, 0.7))
    keys = ("f_max", "f_mean", "e_max", "mae", "iou_whole", "s_measure")
    names = [f"{i}" for i in range(23)]

    def summarise() -> list:
        one, other = (build_columns(images, protocol, keys) for images in (first, second))
        scores = [part.tolist() for part in (one.scores(), jackknife_scores(one), *bootstrap_scores([one, other], 60))]
        return [*scores, randomise_pairs(one, other, 60).tolist(), [find_decisive(one, other, k, names) for k in keys]]

    kept = summarise()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resample, "MAX_KEPT", 0)
        patch.setattr(image_scores, "IMAGES_PER_CHUNK", size)
        assert summarise() == kept


def test_what_is_drawn_does_not_depend_on_how_much_is_drawn_at_a_time(monkeypatch):
    """The slow way: all numbers in one call, and a count of each."""
    drawn = np.random.default_rng([5, 13]).integers(0, 13, (90, 13), dtype=np.int32)
    expected = [[row.count(i) for i in range(13)] for row in drawn.tolist()]
    signs = np.random.default_rng([5, 13, 1]).integers(0, 2, (90, 13), dtype=np.int8).tolist()
    one, other = (build_columns(measurements(13, quality), metrics="s_measure") for quality in (0.6, 0.62))
    halves = (other.values - one.values)[:, 0] / 2
    shifts = np.abs([sum(h if sign else -h for h, sign in zip(halves, row, strict=True)) for row in signs])
    p = ((shifts >= abs(halves.sum()) - 1e-6).sum() + 1) / 91
    for most, few, rows in ((1 << 23, 64, 1 << 16), (13 * 20, 4, 40), (1, 8, 1)):
        monkeypatch.setattr(resample, "MAX_WEIGHTS", most)
        monkeypatch.setattr(resample, "MIN_CHUNK", few)
        monkeypatch.setattr(resample, "DRAWN", rows)
        chunks = list(draw_weights(13, 90, seed=5))
        assert np.concatenate(chunks).tolist() == expected
        assert randomise_pairs(one, other, 90, seed=5)[0] == pytest.approx(p, abs=1e-12)
    assert len(chunks) > 10


def test_many_images_are_resampled_in_little_memory(monkeypatch):
    """3,000 images: their columns take 12 MB, those in single precision 6 MB."""
    monkeypatch.setattr(resample, "MAX_KEPT", 1 << 20)
    monkeypatch.setattr(resample, "MAX_WEIGHTS", 1 << 18)
    images = measurements(1) * 3000
    tracemalloc.start()
    try:
        columns = build_columns(images, metrics="f_max,e_max")
        bootstrap_scores([columns], 100)
        jackknife_scores(columns)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 << 20
