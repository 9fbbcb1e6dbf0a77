"""AUC-PR and AUC-ROC against frozen answers of PySODMetrics' examples, and what follows from their definition."""

from pathlib import Path

import numpy as np
import pytest
from drawn_pairs import pairs
from hypothesis import assume, given, settings

from disbench.metrics.measurement import measure_soft as measure  # measure() refuses dark truths, which are drawn, too
from disbench.metrics.scoring import curves, per_image, score

GOLDENS = Path(__file__).parents[1] / "goldens"
FROZEN, PAIRS = np.load(GOLDENS / "auc.npz"), np.load(GOLDENS / "pysod.npz")
KEYS = ("auc_pr", "auc_roc")


@pytest.fixture(scope="module")
def measured():
    indices = [PAIRS["names"].tolist().index(name) for name in FROZEN["names"]]
    return [measure(PAIRS[f"mask{i}"], PAIRS[f"truth{i}"]) for i in indices]


def test_equal_to_the_examples_of_pysodmetrics_to_the_last_bit(measured):
    assert tuple(score(measured, metrics=KEYS).values()) == tuple(FROZEN["together"][:2])
    assert (np.transpose(list(per_image(measured, metrics=KEYS).values())) == FROZEN["each"][:, :2]).all()


def test_the_two_orders_of_the_examples_are_equal_where_no_thresholds_have_the_same_x(measured):
    down, up = FROZEN["each"][:, :2], FROZEN["each"][:, 2:]
    for axis, name in enumerate(("recall", "fpr")):
        ties = np.array([(np.diff(curves([m], measures=[name])[name]) == 0).any() for m in measured])
        assert (down[~ties, axis] == up[~ties, axis]).all()
        assert (down[ties, axis] != up[ties, axis]).any()


def test_the_areas_are_those_of_mean_curves_and_no_means_of_areas(measured):
    means = {key: values.mean() for key, values in per_image(measured, metrics=KEYS).items()}
    assert all(abs(means[key] - value) > 0.01 for key, value in score(measured, metrics=KEYS).items())


@pytest.mark.parametrize(
    ("mask", "pr", "roc"),
    [
        # R is 1 throughout, so AUC-PR is 0. (FPR, R) is (0, 1), then (1, 1) at threshold 0.
        ([255, 0, 0, 0], 0, 1),
        # (R, P) is (1/2, 1) above 100, then (1, 1), then (1, 1/2). (FPR, R) is (0, 1/2), then (0, 1), then (1, 1).
        ([100, 255, 0, 0], 0.5, 1),
        # (R, P) is (0, 0), then (1, 1/2) at threshold 0. (FPR, R) is (1, 0), then (1, 1).
        ([0, 0, 255, 255], 0.25, 0),
    ],
)
def test_areas_of_four_pixels_by_hand(mask, pr, roc):
    truth = [255, 0, 0, 0] if mask == [255, 0, 0, 0] else [255, 255, 0, 0]
    scores = score([measure(np.array([mask], np.uint8), np.array([truth], np.uint8))], metrics=KEYS)
    assert scores == {"auc_pr": pr, "auc_roc": roc}


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_areas_lie_in_0_to_1_and_do_not_change_when_a_map_is_stretched_further(pair):
    mask, truth = pair
    scores = score([measure(mask, truth)], metrics=KEYS)
    assert all(0 <= value <= 1 for value in scores.values())
    binary = np.where(mask > 128, np.uint8(255), np.uint8(0))
    soft = binary // 5 + np.uint8(40)  # the same map on fewer levels
    assume(binary.min() < binary.max())
    assert score([measure(binary, truth)], metrics=KEYS) == score([measure(soft, truth)], metrics=KEYS)
