"""Errors of alpha mattes against frozen answers of P3M's and GCA-Matting's code, and against the naive ones."""

from pathlib import Path

import cv2
import naive_matting
import numpy as np
import pytest
from drawn_pairs import pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_pairs import drawn_pairs

from disbench.errors import InputError
from disbench.metrics.measurement import measure, measure_soft
from disbench.metrics.protocols import PROTOCOLS
from disbench.metrics.scoring import score

FROZEN = dict(np.load(Path(__file__).parents[1] / "goldens" / "matting.npz"))
WHOLE = ("sad", "mad", "alpha_mse", "grad", "conn")
UNKNOWN = tuple(f"{key}_unknown" for key in WHOLE)


def measured(mask, truth, trimap):
    return measure_soft(mask, truth, ",".join(PROTOCOLS), WHOLE + UNKNOWN, trimap=trimap)


@pytest.mark.parametrize("index", range(len(FROZEN["names"])), ids=FROZEN["names"])
def test_equal_to_the_code_of_p3m_and_of_gca_matting(index):
    m = measured(*(FROZEN[f"{kind}{index}"] for kind in ("mask", "truth", "trimap")))
    for protocol in PROTOCOLS:  # which have no say in these measures
        scores = score([m], protocol, FROZEN["keys"].tolist())
        assert list(scores.values()) == pytest.approx(FROZEN["scores"][index], rel=1e-6, abs=1e-12)


def test_the_goldens_are_not_trivial():
    scores = {name: row for name, row in zip(FROZEN["names"], FROZEN["scores"], strict=True)}
    assert (scores["perfect 0"] == 0).all() and (scores["noisy 0"] > 1e-3).all()
    keys = FROZEN["keys"].tolist()
    difference = abs(FROZEN["scores"][:, keys.index("sad")] - FROZEN["scores"][:, keys.index("sad_unknown")])
    assert (difference > 1e-3).any()


@settings(max_examples=40, deadline=None)
@given(st.one_of(pairs(), drawn_pairs()), st.integers(0, 999), st.sampled_from([1, 128, 200]))
def test_fast_is_naive(pair, seed, level):
    mask, truth = pair
    trimap = np.random.default_rng(seed).choice(np.array([0, level, 255], np.uint8), truth.shape)
    expected = naive_matting.errors(mask, truth) | naive_matting.errors_unknown(mask, truth, trimap)
    scores = score([measured(mask, truth, trimap)], metrics=list(expected))
    assert scores == pytest.approx(expected, rel=1e-10, abs=1e-11)


@settings(max_examples=40, deadline=None)
@given(st.one_of(pairs(), drawn_pairs()))
def test_errors_are_symmetric_and_zero_for_the_truth_itself(pair):
    mask, truth = pair
    trimap = np.full_like(truth, 128)
    there, back = (score([measured(*pair, trimap)], metrics=WHOLE) for pair in ((mask, truth), (truth, mask)))
    assert there == back and all(value >= 0 for value in there.values())
    assert set(score([measured(truth, truth, trimap)], metrics=WHOLE + UNKNOWN).values()) == {0}


@settings(max_examples=20, deadline=None)
@given(pairs())
def test_an_unknown_region_of_the_whole_image_has_the_errors_of_the_whole_image(pair):
    scores = score([measured(*pair, np.full_like(pair[1], 128))], metrics=WHOLE + UNKNOWN)
    for key in ("sad", "mad", "alpha_mse", "conn"):
        assert scores[key] == scores[f"{key}_unknown"]


def test_errors_by_hand():
    mask, truth = np.array([[255, 51, 0, 0]], np.uint8), np.array([[255, 102, 51, 0]], np.uint8)
    trimap = np.array([[255, 128, 128, 0]], np.uint8)
    scores = score([measured(mask, truth, trimap)], metrics=("sad", "mad", "alpha_mse", *UNKNOWN[:3]))
    assert scores == pytest.approx(
        {"sad": 0.4e-3, "mad": 0.1, "alpha_mse": 0.02, "sad_unknown": 0.4e-3, "mad_unknown": 0.2,
         "alpha_mse_unknown": 0.04}
    )  # fmt: skip


def test_connectivity_by_hand():
    """Two dots of the same size: Ω is the first, and the second is connected up to 0, so φ falls by its alpha."""
    mask, truth = np.zeros((3, 9), np.uint8), np.zeros((3, 9), np.uint8)
    mask[1, 1] = truth[1, 1] = mask[1, 7] = 255
    truth[1, 7] = 153  # 0.6
    assert score([measured(mask, truth, np.full_like(truth, 128))], metrics="conn")["conn"] == pytest.approx(0.4e-3)


def test_the_errors_are_those_of_levels_that_are_neither_stretched_nor_cut():
    truth = cv2.GaussianBlur(np.pad(np.full((9, 9), 255, np.uint8), 9), (0, 0), 2)
    faint = truth // 3
    assert score([measured(faint, faint, np.full_like(faint, 128))], metrics=WHOLE)["sad"] == 0
    assert score([measured(faint, truth, np.full_like(faint, 128))], metrics="sad")["sad"] == pytest.approx(
        (truth.astype(int) - faint).sum() / 255000
    )


def test_no_unknown_pixel_has_no_error():
    mask, truth = np.full((4, 5), 9, np.uint8), np.full((4, 5), 200, np.uint8)
    scores = score([measured(mask, truth, np.full_like(truth, 255))], metrics=UNKNOWN)
    assert set(scores.values()) == {0}


@pytest.mark.parametrize(
    ("trimap", "message"),
    [
        (None, "need trimaps; give --trimaps"),
        (np.array([[0, 127, 128, 255]], np.uint8), "its trimap has the levels 127 and 128 between 0 and 255; save it"),
        (np.zeros((4, 1), np.uint8), r"trimap is \(4, 1\), truth is \(1, 4\)"),
        (np.zeros((1, 4)), "trimap: got float64"),
    ],
)
def test_an_unfit_trimap_is_refused(trimap, message):
    truth = np.array([[0, 99, 128, 255]], np.uint8)
    with pytest.raises(InputError, match=message):
        measure(truth, truth, "pysod", "sad_unknown", trimap=trimap)


def test_an_alpha_truth_may_have_the_levels_0_and_1():
    truth = np.array([[0, 1, 1, 0]], np.uint8)
    with pytest.raises(InputError, match="levels are 0 and 1"):
        measure(truth, truth, metrics="sad")
    assert score([measure_soft(truth * 0, truth, metrics="sad")], metrics="sad")["sad"] == 2 / 255000
