"""What step() accepts, what it refuses and how, and that all ways to pass a map lead to the same numbers."""

import warnings

import cv2
import naive
import numpy as np
import pytest
from drawn_pairs import pairs
from hypothesis import given, settings
from pysod_classes import CLASSES, draw_image, list_numbers

import disbench.pysodmetrics as sod
from disbench.errors import InputError
from disbench.metrics.sizes import size_invariant, target_boxes
from disbench.pysodmetrics import float_maps
from disbench.pysodmetrics.pair import read_pair
from disbench.pysodmetrics.size_invariance import average_target_error, count_targets

LEVELS = np.arange(0, 252, 9, dtype=np.uint8).reshape(4, 7)
TRUTH = np.where(LEVELS > 90, 255, 0).astype(np.uint8)
UNIT, INSIDE = LEVELS / 255, TRUTH > 128
REFUSED = {
    "another shape": (LEVELS, TRUTH[:, :5], True, "pred is (4, 7), gt is (4, 5); resize"),
    "a masked map": (np.ma.masked_array(LEVELS, LEVELS > 90), TRUTH, True, "pred: got a numpy.MaskedArray"),
    "a masked truth": (LEVELS, np.ma.masked_array(TRUTH, LEVELS > 90), True, "gt: got a numpy.MaskedArray"),
    "a matrix": (np.asmatrix(LEVELS), TRUTH, True, "pred: got a numpy.matrix"),
    "three channels": (np.stack([LEVELS] * 3, 2), TRUTH, True, "give one channel of the map"),
    "no pixels": (LEVELS[:0], TRUTH[:0], True, "give at least one pixel"),
    "a list": (LEVELS.tolist(), TRUTH, True, "pred: got list"),
    "no truth": (LEVELS, None, True, "gt: got NoneType"),
    "text": (LEVELS.astype(str), TRUTH, True, "pred: got <U"),
    "complex numbers": (LEVELS, TRUTH.astype(complex), True, "gt: got complex128"),
    "NaN": (np.where(LEVELS > 99, np.nan, 1.0), TRUTH, True, "NaN or infinite"),
    "infinity": (np.where(LEVELS > 99, np.inf, 1.0), TRUTH, True, "NaN or infinite"),
    "a constant above 255": (np.full((4, 7), 300.0), TRUTH, True, "it is 300.0 everywhere"),
    "a constant below 0": (np.full((4, 7), -3), TRUTH, True, "it is -3 everywhere"),
    "uint8 without normalize": (LEVELS, INSIDE, False, "pred: got uint8; with normalize=False"),
    "float16 without normalize": (UNIT.astype(np.float16), INSIDE, False, "pred: got float16"),
    "a truth of uint8 without normalize": (UNIT, TRUTH, False, "gt: got uint8; with normalize=False"),
    "values above 1": (UNIT * 1.1, INSIDE, False, "not in 0..1"),
    "values below 0": (UNIT - 0.1, INSIDE, False, "not in 0..1"),
    "NaN without normalize": (np.where(INSIDE, np.nan, 0.5), INSIDE, False, "not in 0..1"),
}
TYPES = {name for name, (*_, message) in REFUSED.items() if ": got " in message}


@pytest.fixture(autouse=True)
def _expect_the_deprecation():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Fmeasure is deprecated")
        yield


def step(metric, *args, **options):
    image = {"img": draw_image(np.shape(args[1])[:2])} if hasattr(metric, "lambda_spatial") else {}
    metric.step(*args, **options, **image)
    return np.concatenate([numbers for _, numbers in list_numbers(metric.get_results())])


@pytest.mark.parametrize("fault", REFUSED)
def test_every_class_refuses_bad_arrays_in_one_line_and_counts_nothing(fault):
    pred, gt, normalize, message = REFUSED[fault]
    for make in CLASSES.values():
        metric = make(sod)
        before = repr(vars(metric))
        with pytest.raises(InputError) as error:
            metric.step(pred, gt, normalize=normalize, **({"img": None} if hasattr(metric, "lambda_spatial") else {}))
        assert message in str(error.value) and "\n" not in str(error.value)
        assert isinstance(error.value, TypeError) == (fault in TYPES)
        assert repr(vars(metric)) == before


@pytest.mark.parametrize("name", [name for name in CLASSES if not name.startswith(("MAE", "Fmeasure"))])
def test_measures_of_shapes_need_one_channel(name):
    with pytest.raises(InputError, match=r"give one channel"):
        step(CLASSES[name](sod), np.dstack([LEVELS] * 3), np.dstack([TRUTH] * 3))


@pytest.mark.parametrize("name", ["MAE", "Fmeasure", "FmeasureV2"])
def test_measures_of_counts_accept_any_shape(name):
    expected = step(CLASSES[name](sod), LEVELS, TRUTH)
    for shape in ((28,), (2, 7, 2), (1, 4, 7)):
        assert (step(CLASSES[name](sod), LEVELS.reshape(shape), TRUTH.reshape(shape)) == expected).all()


@pytest.mark.parametrize("name", [name for name in CLASSES if not name.startswith(("MSIoU, curve", "Camouflage"))])
def test_types_and_memory_layouts_do_not_matter(name):
    expected = step(CLASSES[name](sod), LEVELS, TRUTH)
    for pred, gt, normalize in (
        (LEVELS.astype(np.int64), TRUTH.astype(np.float32), True),
        (LEVELS.astype(np.float64), TRUTH, True),
        (np.asfortranarray(LEVELS), np.asfortranarray(TRUTH), True),
        (LEVELS.repeat(2, 1)[:, ::2], TRUTH[::-1].copy()[::-1], True),
        (LEVELS[..., None], TRUTH[..., None], True),
    ):
        assert step(CLASSES[name](sod), pred, gt, normalize=normalize) == pytest.approx(expected, abs=1e-12)
    unchanged = LEVELS.copy()
    unchanged.flags.writeable = False
    assert step(CLASSES[name](sod), unchanged, TRUTH) == pytest.approx(expected, abs=1e-12)


def test_a_truth_of_0_and_1_is_empty_with_a_warning():
    for truth in (INSIDE, INSIDE.astype(np.uint8)):
        with pytest.warns(UserWarning, match="multiply it by 255"):
            result = step(sod.FmeasureV2({"iou": sod.IOUHandler(False, False, with_binary=True)}), LEVELS, truth)
        assert result == 0


def test_step_without_handlers_is_refused():
    for metric in (sod.FmeasureV2(), sod.SizeInvarianceFmeasureV2()):
        with pytest.raises(InputError, match="add_handler"):
            metric.step(LEVELS, TRUTH)


@pytest.mark.parametrize("image", [None, LEVELS, np.zeros((4, 7, 3)), np.zeros((7, 4, 3), np.uint8)])
def test_the_image_must_be_rgb_of_the_same_size(image):
    with pytest.raises(InputError, match=r"img: got .*; give RGB, uint8 \(4, 7, 3\)"):
        sod.CamouflageContextMeasure().step(LEVELS, TRUTH, img=image)


def test_one_grid_of_multi_scale_iou_has_no_area():
    with pytest.raises(InputError, match="num_levels is 1"):
        sod.MSIoU(True, True, num_levels=1)


# -- Formulas for floats against the formulas for levels


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_formulas_for_floats_equal_the_naive_ones(pair):
    mask, truth = pair
    levels = read_pair(mask, np.where(truth > 128, 255, 0).astype(np.uint8))
    values, inside = levels.as_values(), truth > 128
    assert float_maps.s_measure(values, inside, 0.5) == pytest.approx(naive.s_measure(mask, truth), abs=1e-9)
    sums = float_maps.weighted_errors(values, inside)
    metric = sod.WeightedFmeasure()
    metric.step(values.astype(np.float32), inside, normalize=False)
    assert metric.weighted_fms[0] == pytest.approx(naive.f_weighted(mask, truth), abs=1e-6)
    assert sums[0] == np.count_nonzero(inside)


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_counts_of_floats_equal_those_of_levels(pair):
    mask, truth = pair
    truth = np.where(truth > 128, 255, 0).astype(np.uint8)
    levels = read_pair(mask, truth)
    # The same map as floats. At the adaptive threshold, rounding would decide where a level equals it.
    floats = type(levels)(
        levels=(levels.as_values() * 255).astype(np.uint8), foreground=levels.foreground, values=levels.as_values()
    )
    for kind in ("dynamic", "binary"):
        for first, second in zip(levels.counts(kind), floats.counts(kind), strict=True):
            assert (first == second).all(), kind
        targets = count_targets(levels, [kind])[kind], count_targets(floats, [kind])[kind]
        assert all((targets[0][name] == targets[1][name]).all() for name in targets[0]), kind
    errors = np.abs(floats.values - floats.inside)
    assert average_target_error(errors, target_boxes(levels.foreground)) == pytest.approx(
        size_invariant(levels.levels, levels.foreground, levels.lo, levels.hi)["mae"], abs=1e-12
    )


def test_the_adaptive_threshold_of_floats_is_twice_their_mean():
    values = cv2.GaussianBlur(np.random.default_rng(0).random((20, 30)), (0, 0), 2) ** 8
    inside = values > 0.003
    metric = sod.FmeasureV2({"iou": sod.IOUHandler(False, True)})
    metric.step(values, inside, normalize=False)
    positive = values >= 2 * values.mean()
    expected = (positive & inside).sum() / (positive | inside).sum()
    assert 0 < expected < 1 and metric.get_results()["iou"]["adaptive"] == pytest.approx(expected)
