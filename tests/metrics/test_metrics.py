from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import disbench
from disbench.errors import InputError
from disbench.metrics.catalogue import METRICS, PAPER, STANDARD
from disbench.metrics.measurement import KERNEL_VERSION, measure
from disbench.metrics.scoring import curves, make_signature, per_image, score


@pytest.fixture
def images():
    rng = np.random.default_rng(3)
    truths = [(rng.random((31, 43)) < share).astype(np.uint8) * 255 for share in (0.1, 0.5, 0.9)]
    masks = [np.clip(truth * 0.6 + rng.normal(60, 40, truth.shape), 0, 255).astype(np.uint8) for truth in truths]
    return list(zip(masks, truths, strict=True))


def numbers(m):
    return (m.height, m.width, m.fg_hist.tolist(), m.bg_hist.tolist(), m.values)


def test_histograms_are_of_raw_levels_by_truth():
    m = measure(np.array([[7, 7, 9], [255, 0, 7]], np.uint8), np.array([[255, 129, 128], [0, 255, 255]], np.uint8))
    assert (m.height, m.width) == (2, 3)
    assert {level: int(n) for level, n in enumerate(m.fg_hist) if n} == {0: 1, 7: 3}
    assert {level: int(n) for level, n in enumerate(m.bg_hist) if n} == {9: 1, 255: 1}
    assert m.fg_hist.dtype == m.bg_hist.dtype == np.uint32


def test_a_perfect_map():
    truth = np.zeros((20, 30), np.uint8)
    truth[5:9, 3:20] = 255
    scores = score([measure(truth, truth)])
    for key in ("f_max", "f_adaptive", "f_weighted", "s_measure"):
        assert scores[key] == pytest.approx(1, abs=1e-12)
    assert scores["mae"] == 0
    assert scores["e_max"] == scores["e_adaptive"] == pytest.approx(600 / 599)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (13, 17)])
@pytest.mark.parametrize("truth", [0, 255, "corner", "ends"])
@pytest.mark.parametrize("mask", [0, 1, 77, 255, "ramp"])
def test_everything_is_finite(shape, truth, mask):
    target = np.zeros(shape, np.uint8)
    if truth == "corner":
        target[-1, -1] = 255
    elif truth == "ends":
        target[0, 0] = target[-1, -1] = 255
    else:
        target[:] = truth
    ramp = np.arange(target.size, dtype=np.uint8).reshape(shape)
    prediction = ramp if mask == "ramp" else np.full(shape, mask, np.uint8)
    m = measure(prediction, target)
    results = {**score([m]), **curves([m])}
    for key, value in results.items():
        assert np.isfinite(value).all(), key
        assert np.min(value) >= 0, key
        assert np.max(value) <= max(1, target.size / max(target.size - 1, 1)) + 1e-12, key


def test_no_foreground():
    rng = np.random.default_rng(0)
    mask, truth = rng.integers(0, 256, (10, 12), np.uint8), np.zeros((10, 12), np.uint8)
    scores = score([measure(mask, truth)])
    mean = (mask / 1.0 - mask.min()).mean() / (int(mask.max()) - int(mask.min()))
    assert scores["f_max"] == scores["f_weighted"] == 0
    assert scores["mae"] == pytest.approx(mean)
    assert scores["s_measure"] == pytest.approx(1 - mean)


def test_a_constant_quadrant_is_similar_whatever_its_level():
    truth = np.zeros((8, 8), np.uint8)
    truth[0, 0] = 255
    scores = [measure(np.full((8, 8), level, np.uint8), truth).values["s_measure"] for level in range(1, 255)]
    # Only the pixel itself is a quadrant that is not background throughout.
    assert min(scores) > 0.5 * 63 / 64


def test_data_set_scores_are_maxima_of_mean_curves_and_means_of_the_rest(images):
    measured = [measure(*pair) for pair in images]
    scores, by_image, mean = score(measured), per_image(measured), curves(measured)
    assert tuple(scores) == tuple(by_image) == STANDARD
    assert scores["f_max"] == mean["f"].max() < by_image["f_max"].mean()
    assert scores["e_max"] == mean["e"].max() < by_image["e_max"].mean()
    assert scores["f_mean"] == pytest.approx(mean["f"].mean())
    assert scores["s_measure"] == pytest.approx(np.mean([m.values["s_measure"] for m in measured]))
    for i, m in enumerate(measured):
        assert {key: value[i] for key, value in by_image.items()} == pytest.approx(score([m]))


def test_levels_at_or_above_a_threshold_are_positive():
    truth = np.array([[0, 0, 255, 255]], np.uint8)
    curve = curves([measure(np.array([[0, 100, 100, 255]], np.uint8), truth)])
    assert curve["recall"][[0, 100, 101, 255]].tolist() == [1, 1, 0.5, 0.5]
    assert curve["precision"][[0, 100, 101, 255]].tolist() == [0.5, 2 / 3, 1, 1]


def test_inputs_are_not_changed_and_their_layout_does_not_matter(images):
    mask, truth = images[0]
    expected = numbers(measure(mask, truth))
    frozen = mask.copy()
    frozen.flags.writeable = False
    wide = np.zeros((31, 90), np.uint8)
    wide[:, 1:87:2] = mask
    unaligned = np.zeros(mask.size + 1, np.uint8)[1:].reshape(mask.shape)
    unaligned[:] = mask
    copies = mask.copy(), truth.copy()
    for same in (frozen, np.asfortranarray(mask), wide[:, 1:87:2], unaligned):
        assert numbers(measure(same, np.asfortranarray(truth))) == expected
    assert (mask == copies[0]).all()
    assert (truth == copies[1]).all()


def test_threads_do_not_disturb_each_other(images):
    expected = [numbers(measure(*pair)) for pair in images]
    with ThreadPoolExecutor(4) as pool:
        assert [numbers(m) for m in pool.map(lambda pair: measure(*pair), images * 8)] == expected * 8


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.full((4, 5), np.nan), "prediction: got float64 of shape (4, 5), expected uint8 (h, w)"),
        (np.full((4, 5), np.inf, np.float32), "prediction: got float32"),
        (np.zeros((4, 5), bool), "prediction: got bool"),
        (np.zeros((4, 5), np.uint16), "prediction: got uint16"),
        (np.zeros((4, 5, 3), np.uint8), "of shape (4, 5, 3)"),
        (np.zeros(20, np.uint8), "of shape (20,)"),
        (np.zeros((0, 5), np.uint8), "at least one pixel"),
        ([[0]], "prediction: got a list"),
        (np.zeros((5, 4), np.uint8), "prediction is (5, 4), truth is (4, 5); resize"),
    ],
)
def test_a_bad_prediction_is_named(mask, message):
    with pytest.raises(InputError) as error:
        measure(mask, np.zeros((4, 5), np.uint8))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        (np.eye(4, dtype=bool), "truth: got bool"),
        (np.eye(4), "truth: got float64"),
        (np.eye(4, dtype=np.uint8), "multiply it by 255"),
    ],
)
def test_a_bad_truth_is_named(truth, message):
    with pytest.raises(InputError, match=message):
        measure(np.zeros((4, 4), np.uint8), truth)


def test_nothing_to_score():
    for function in (score, curves, per_image):
        with pytest.raises(InputError, match="no measurements"):
            function([])


def test_an_unknown_protocol_is_answered_with_the_known_ones(images):
    for call in (lambda: measure(*images[0], "psyod"), lambda: make_signature("psyod", "dis5k", {})):
        with pytest.raises(InputError, match="'psyod' is unknown; known: pysod"):
            call()


def test_the_signature_says_what_changes_a_score():
    assert make_signature("pysod", "dis5k", {"DIS-TE1": 500, "DIS-TE2": 500}) == (
        f"disbench:{disbench.__version__}|kernel:{KERNEL_VERSION}|dis5k|DIS-TE1:500,DIS-TE2:500"
        "|pysod|pred:minmax|gt>128|thr:256|b2:0.3|E:mean|size:native"
    )


def test_metrics_describe_themselves():
    assert set(PAPER) < METRICS.keys()
    assert {metric.direction for metric in METRICS.values()} == {"higher", "lower"}
    for key, metric in METRICS.items():
        assert metric.key == key
        assert metric.formula and metric.reference and metric.latex and metric.symbol
        assert not metric.variants or key in metric.variants
        assert set(metric.variants) <= METRICS.keys()
    assert KERNEL_VERSION
