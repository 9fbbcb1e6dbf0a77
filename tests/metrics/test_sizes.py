"""Size-invariant MAE and F against frozen answers of PySODMetrics, and against the naive ones."""

from pathlib import Path

import naive
import naive_sizes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_pairs import NAMES, drawn_pairs, frozen_answer, frozen_pair, prepared
from pysod_classes import CLASSES, frozen_pairs, list_numbers, step_all

from disbench import pysodmetrics
from disbench.errors import InputError
from disbench.metrics.measurement import measure_soft as measure  # measure() refuses dark truths, which are drawn, too
from disbench.metrics.scoring import per_image, score
from disbench.metrics.sizes import size_invariant, size_invariant_measure
from disbench.stats.resample import build_columns

OTHERS = dict(np.load(Path(__file__).parents[1] / "goldens" / "size.npz"))
F = ("max", "mean", "adaptive", "binary")


def measured(mask, truth):
    scores = size_invariant(*prepared(mask, truth))
    return scores.pop("mae"), scores


@pytest.mark.parametrize("name", NAMES)
def test_pysodmetrics(name):
    mae, f = measured(*frozen_pair(name))
    truth = frozen_pair(name)[1] > 128
    frozen_mae, frozen_f = frozen_answer("size mae", name), frozen_answer("size f", name)
    boxes = naive_sizes.targets(truth)
    if truth.all() or len(boxes) >= 64:
        assert np.isnan(frozen_f).all()
    else:
        assert f == pytest.approx(dict(zip(F, frozen_f, strict=True)), abs=1e-13)
    outside = np.ones_like(truth)
    for box in boxes:
        outside[box] = False
    if truth.any() and (len(boxes) >= 64 or not outside.any()):
        assert np.isnan(frozen_mae)
    else:
        assert mae == pytest.approx(frozen_mae, abs=1e-13)


@pytest.mark.parametrize("name", [name for name in NAMES if np.isnan(frozen_answer("size mae", name))])
def test_naive_where_pysodmetrics_fails(name):
    mask, truth = frozen_pair(name)
    if truth.size > 1e5:
        mask, truth = mask[-400:, -700:], truth[-400:, -700:]
    assert measured(mask, truth)[0] == pytest.approx(naive_sizes.size_mae(mask, truth), abs=1e-13)
    if truth.size < 1e5:
        assert measured(mask, truth)[1] == pytest.approx(naive_sizes.size_f(mask, truth), abs=1e-13)


@settings(max_examples=60, deadline=None)
@given(drawn_pairs())
def test_fast_is_naive(pair):
    mae, f = measured(*pair)
    assert mae == pytest.approx(naive_sizes.size_mae(*pair), abs=1e-13)
    assert f == pytest.approx(naive_sizes.size_f(*pair), abs=1e-13)


@pytest.mark.parametrize("index", range(len(OTHERS["names"])), ids=OTHERS["names"])
def test_other_measures_are_those_of_pysodmetrics(index):
    mask, truth = frozen_pair(str(OTHERS["names"][index]))
    for name, frozen in zip(OTHERS["keys"].tolist(), OTHERS["scores"][index], strict=True):
        scores = size_invariant_measure(*prepared(mask, truth), name)
        assert all(np.isfinite(list(scores.values())))
        if not np.isnan(frozen).all():
            assert scores == pytest.approx(dict(zip(F, frozen, strict=True)), abs=1e-13), name
    failed = (truth > 128).all() or len(naive_sizes.targets(truth > 128)) >= 64
    assert np.isnan(OTHERS["scores"][index]).all() == failed


@settings(max_examples=15, deadline=None)
@given(drawn_pairs())
def test_other_measures_are_the_naive_ones(pair):
    for name, expected in naive_sizes.size_measures(*pair).items():
        assert size_invariant_measure(*prepared(*pair), name) == pytest.approx(expected, abs=1e-12), name


def test_f_by_the_function_of_other_measures_is_f():
    pair = prepared(*frozen_pair("many, typical"))
    assert size_invariant_measure(*pair, "f") == {key: size_invariant(*pair)[key] for key in F}


def test_each_is_a_metric():
    mask, truth = frozen_pair("many, noisy")
    keys = [f"size_{name}_{variant}" for name in ("iou", "ber", "kappa") for variant in F]
    scores = score([measure(mask, truth, metrics=keys)], metrics=keys)
    for name in ("iou", "ber", "kappa"):
        direct = size_invariant_measure(*prepared(mask, truth), name)
        assert {key: scores[f"size_{name}_{key}"] for key in F} == direct


WHOLE = [f"size_{name}_whole" for name in naive_sizes.whole_measures([])]


@settings(max_examples=15, deadline=None)
@given(st.lists(drawn_pairs(), min_size=1, max_size=3))
def test_measures_of_all_targets_together_are_the_naive_ones(pairs):
    images = [measure(*pair, metrics=WHOLE) for pair in pairs]
    expected = {f"size_{name}_whole": value for name, value in naive_sizes.whole_measures(pairs).items()}
    assert score(images, metrics=WHOLE) == pytest.approx(expected, abs=1e-12)
    single = naive_sizes.whole_measures(pairs[:1])
    assert {key: v[0] for key, v in per_image(images, metrics=WHOLE).items()} == pytest.approx(
        {f"size_{name}_whole": value for name, value in single.items()}, abs=1e-12
    )
    assert build_columns(images, "pysod", WHOLE).scores() == pytest.approx(list(score(images, metrics=WHOLE).values()))


def test_measures_of_all_targets_together_are_those_of_pysodmetrics():
    frozen = np.load(Path(__file__).parents[1] / "goldens" / "pysodmetrics.npz")
    name = "SizeInvarianceFmeasureV2, whole"
    handlers = {
        "Fmeasure": "f", "BER": "ber", "DICE": "dice", "FPR": "fpr", "IOU": "iou", "OverallAccuracy": "accuracy",
        "Precision": "precision", "Recall": "recall", "Specificity": "specificity",
    }  # fmt: skip
    results = dict(list_numbers(step_all(CLASSES[name](pysodmetrics), "uint8", frozen_pairs()).get_results()))
    assert list(results) == frozen[f"{name}: names"].tolist()
    ends = np.cumsum([len(numbers) for numbers in results.values()])
    answers = dict(zip(results, np.split(frozen[f"uint8: {name}"], ends[:-1]), strict=True))
    images = [measure(*pair, metrics=WHOLE) for pair in frozen_pairs()]
    for handler, measure_name in handlers.items():
        key = f"size_{measure_name}_whole"
        answer = answers[f"/{handler}/binary float64 ()"].item()
        assert score(images, metrics=key)[key] == pytest.approx(answer, abs=1e-13), handler


def test_a_run_without_these_counts_says_how_to_get_them():
    with pytest.raises(InputError, match=r"size_iou_whole under protocol pysod was not .*--metrics size_iou_whole"):
        score([measure(*frozen_pair("many, typical"))], metrics="size_iou_whole")


def test_more_targets_than_a_batch():
    truth = np.zeros((70, 140), np.uint8)
    truth[::2, ::2] = 255
    mask = np.random.default_rng(0).integers(0, 256, truth.shape, np.uint8)
    assert len(naive_sizes.targets(truth > 128)) == 2450
    mae, f = measured(mask, truth)
    assert mae == pytest.approx(naive_sizes.size_mae(mask, truth), abs=1e-13)
    assert f["binary"] == pytest.approx(np.mean(mask[::2, ::2] > 127))  # of one pixel F is 1 or 0


def test_a_small_target_counts_as_much_as_a_large_one():
    truth = np.zeros((100, 100), np.uint8)
    truth[10:60, 10:60] = 255
    truth[80:90, 80:90] = 255
    missed = truth.copy()
    missed[80:90] = 0
    mae, f = measured(missed, truth)
    share = (100**2 - 2600) / 2600
    assert mae == pytest.approx(1 / (2 + share))
    assert f["binary"] == 0.5
    assert min(f["max"], f["adaptive"]) > 0.5  # at threshold 0, also twice the mean of nothing, all is found
    mae, f = measured(truth, truth)
    assert (mae, f["max"], f["binary"]) == (0, 1, 1)


@pytest.mark.parametrize(("width", "f"), [(10, 0.5), (9, 1)])
def test_a_target_has_at_least_50_pixels(width, f):
    """The block that the map misses has 5 x 10 pixels, which count, or 5 x 9, which do not."""
    truth = np.zeros((20, 40), np.uint8)
    truth[2:7, 2 : 2 + width] = 255
    truth[10:16, 20:30] = 255
    missed = truth.copy()
    missed[:8] = 0
    assert measured(missed, truth)[1]["binary"] == f


def test_without_targets_it_is_the_plain_measure():
    mask, truth = frozen_pair("no truth, typical")
    assert measured(mask, truth)[0] == pytest.approx(naive.mae(mask, truth))
    full = np.full_like(truth, 255)
    assert measured(mask, full)[0] == pytest.approx(naive.mae(mask, full))
