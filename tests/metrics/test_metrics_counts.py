"""The measures of binary maps against fractions, and against PySODMetrics' handlers as goldens/ holds them."""

from pathlib import Path

import naive
import naive_counts
import numpy as np
import pytest
from drawn_pairs import pairs
from hypothesis import given, settings
from hypothesis import strategies as st

from disbench.errors import InputError
from disbench.metrics import binary
from disbench.metrics.catalogue import MEASURES, METRICS, PAPER, STANDARD, resolve_metrics
from disbench.metrics.measurement import measure_soft as measure  # measure() refuses dark truths, which are drawn, too
from disbench.metrics.scoring import curves, per_image, score

GOLDENS = Path(__file__).parents[1] / "goldens"
FROZEN = dict(np.load(GOLDENS / "pysod_handlers.npz"))
HANDLERS = [key.removesuffix(" curve") for key in FROZEN if key.endswith(" curve")]
COHEN = "kappa"  # PySODMetrics has another formula


@pytest.fixture(scope="module")
def images():
    stored = np.load(GOLDENS / "pysod.npz")
    indices = [stored["names"].tolist().index(name) for name in FROZEN["names"]]
    return [(stored[f"mask{i}"], stored[f"truth{i}"]) for i in indices]


@pytest.fixture(scope="module")
def measured(images):
    return [measure(*pair) for pair in images]


@pytest.mark.parametrize("name", [name for name in HANDLERS if name != COHEN])
def test_equal_to_pysodmetrics_to_the_last_bit(measured, name):
    def curve(measurements):
        return curves(measurements, measures=[name])[name]

    assert (curve(measured) == FROZEN[f"{name} curve"]).all()
    assert ([curve([m])[::17] for m in measured] == FROZEN[f"{name} curves"]).all()
    keys = [f"{name}_{variant}" for variant in ("adaptive", "binary", "whole")]
    assert list(score(measured, metrics=keys).values()) == FROZEN[f"{name} scores"].tolist()
    by_image = per_image(measured, metrics=keys)
    assert (by_image[keys[0]] == FROZEN[f"{name} adaptive"]).all()
    assert (by_image[keys[1]] == FROZEN[f"{name} binary"]).all()
    assert (by_image[keys[2]] == by_image[keys[1]]).all()


def test_kappa_is_cohens_where_pysodmetrics_takes_another_marginal(images, measured):
    theirs = []
    for mask, truth in images:
        tp, fp, fn, tn = naive_counts.counts(naive.stretched(mask) > 0.5, truth)
        chance = ((tp + fp) * (tp + fn) + (tn + fn) * (tn + tp)) / truth.size**2  # Cohen has tn + fp
        theirs.append(((tp + tn) / truth.size - chance) / (1 - chance) if chance != 1 else 0)
    assert FROZEN["kappa binary"] == pytest.approx(theirs, abs=1e-12)
    expected = [naive_counts.at_half(*pair)["kappa"] for pair in images]
    assert per_image(measured, metrics=["kappa_binary"])["kappa_binary"] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(pairs(6, 20), min_size=1, max_size=3))
def test_fast_is_naive(images):
    expected = naive_counts.score(images)
    assert score([measure(*pair) for pair in images], metrics=list(expected)) == pytest.approx(expected, abs=1e-11)


def test_a_score_per_image_is_the_score_of_a_data_set_of_one_image(measured):
    by_image = per_image(measured, metrics="all")
    for i, m in enumerate(measured):
        assert score([m], metrics="all") == {key: values[i] for key, values in by_image.items()}


def test_pooling_many_large_images_loses_nothing():
    m = measure(np.array([[255, 255, 0, 0]], np.uint8), np.array([[255, 0, 255, 0]], np.uint8))
    for levels in (m.fg_hist, m.bg_hist):
        levels *= 2**30
    scores = score([m] * 2000, metrics=["kappa_whole", "accuracy_whole", "iou_whole"])
    assert scores == {"kappa_whole": 0, "accuracy_whole": 0.5, "iou_whole": 1 / 3}


def test_the_best_of_a_curve_follows_the_direction(measured):
    curve = curves(measured, measures=["ber", "iou"])
    scores = score(measured, metrics="ber_min,ber_max,iou_max")
    assert scores == {"ber_min": curve["ber"].min(), "ber_max": curve["ber"].max(), "iou_max": curve["iou"].max()}
    assert {m.direction for m in METRICS.values() if m.variant == "min"} == {"lower"}
    lower = {m.measure for m in METRICS.values() if m.variant == "max" and m.direction == "lower"}
    assert lower == {"ber", "fpr"}  # whose maximum is also printed


def test_only_what_is_asked_for_is_computed(measured, monkeypatch):
    monkeypatch.setitem(binary.BINARY_MEASURES, "e", None)
    assert list(score(measured, metrics=["f_max", "mae"])) == ["f_max", "mae"]


def test_what_can_be_asked_for():
    assert resolve_metrics("all") == tuple(key for key, metric in METRICS.items() if not metric.optional)
    assert resolve_metrics("mae,all,hce")[0] == "mae"
    assert set(resolve_metrics("all,hce")) == {*resolve_metrics("all"), "hce"}
    assert resolve_metrics("mae,f_max") == resolve_metrics(["mae", "f_max"]) == ("mae", "f_max")
    assert set(PAPER) < set(STANDARD) < set(METRICS)
    measures = {m.measure.removeprefix("size_") for m in METRICS.values() if m.variant}
    assert measures == binary.BINARY_MEASURES.keys() < MEASURES.keys()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda m: score([m], metrics="f_max,iou_maks"), "unknown metric 'iou_maks'; did you mean iou_max"),
        (lambda m: per_image([m], metrics=["ber_mix"]), "did you mean .*ber_min"),
        (lambda m: curves([m], measures=["kapa"]), "unknown curve 'kapa'; did you mean kappa"),
        (lambda m: curves([m], measures=["?"]), "known: f, f1, e, iou"),
    ],
)
def test_an_unknown_key_answers_with_the_nearest(measured, ask, message):
    with pytest.raises(InputError, match=message):
        ask(measured[0])
