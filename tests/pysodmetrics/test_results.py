"""Results equal those of PySODMetrics 1.6.2, which goldens/make_pysodmetrics.py has frozen, except for its errors."""

import copy
import warnings
from pathlib import Path

import naive
import naive_context
import naive_sizes
import numpy as np
import pytest
from hypothesis import given, settings
from measure_pairs import drawn_pairs
from pysod_classes import CLASSES, HANDLERS, conventions_of, frozen_pairs, list_numbers, step_all

import disbench.pysodmetrics as sod
from disbench.metrics.measurement import measure
from disbench.metrics.scoring import per_image

FROZEN = dict(np.load(Path(__file__).parents[1] / "goldens" / "pysodmetrics.npz"))
# PySODMetrics computes these in single precision if the map has it.
SINGLE = {"Smeasure", "Smeasure, alpha", "SizeInvarianceMAE"}


@pytest.fixture(autouse=True)
def _expect_the_deprecation():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Fmeasure is deprecated")
        yield


@pytest.mark.parametrize("name", CLASSES)
def test_names_shapes_types_and_numbers_of_results_are_equal(name):
    for convention in conventions_of(name):
        pairs = frozen_pairs()[:1] if name == "MSIoU, curve" else frozen_pairs()
        results = dict(list_numbers(step_all(CLASSES[name](sod), convention, pairs).get_results()))
        assert list(results) == FROZEN[f"{name}: names"].tolist(), convention
        tolerance = 1e-7 if name in SINGLE and convention.startswith("float32") else 1e-9
        expected = FROZEN[f"{convention}: {name}"]
        assert np.abs(np.concatenate(list(results.values())) - expected).max() <= tolerance, convention


def step(metric, mask, truth, **options):
    metric.step(mask, truth, **options)
    return metric.get_results()


@pytest.mark.parametrize("name", ["one pixel, constant 77", "centroid in the last row", "one row", "two pixels in all"])
def test_s_is_finite_and_of_constant_quadrants_exact(name):
    mask, truth = frozen_pairs([name])[0]
    expected = naive.s_measure(mask, truth)
    assert step(sod.Smeasure(), mask, truth)["sm"] == pytest.approx(expected, abs=1e-12)
    # Floats that are no levels take another way.
    values = np.float32(mask - mask.min() if mask.min() < mask.max() else mask) / np.float32(np.ptp(mask) or 255)
    assert step(sod.Smeasure(), values, truth > 128, normalize=False)["sm"] == pytest.approx(expected, abs=1e-6)


def test_e_of_one_pixel_is_in_0_to_1():
    pixel = np.full((1, 1), 255, np.uint8)
    result = step(sod.Emeasure(), pixel, pixel)["em"]
    assert result["adp"] == pytest.approx(1) and result["curve"].max() == pytest.approx(1)


def test_context_of_a_slanted_line_follows_the_line():
    mask, truth = frozen_pairs(["two pixels, noise"])[0]
    assert step(sod.ContextMeasure(), mask, truth)["cm"] == pytest.approx(
        naive_context.context_measure(mask, truth), abs=1e-6
    )


@settings(max_examples=40, deadline=None)
@given(drawn_pairs())
def test_the_context_measure_equals_the_naive_one(pair):
    mask, truth = pair
    result = step(sod.ContextMeasure(), mask, np.where(truth > 128, np.uint8(255), np.uint8(0)))["cm"]
    assert result == pytest.approx(naive_context.context_measure(mask, truth), abs=1e-6)


@pytest.mark.parametrize("name", ["all truth, typical", "all but one pixel", "foreground at the border"])
def test_size_invariant_measures_of_a_truth_whose_boxes_cover_the_image_are_finite(name):
    mask, truth = frozen_pairs([name])[0]
    assert step(sod.SizeInvarianceMAE(), mask, truth)["si_mae"] == pytest.approx(naive_sizes.size_mae(mask, truth))
    handler = sod.FmeasureHandler(True, True, with_binary=True)
    results = step(sod.SizeInvarianceFmeasureV2({"f": handler}), mask, truth)["f"]
    expected = per_image([measure(mask, truth, metrics="size_f_max")], metrics="size_f_max,size_f_adaptive")
    assert results["dynamic"][0].max(1).mean() == pytest.approx(expected["size_f_max"][0])
    assert results["adaptive"] == pytest.approx(expected["size_f_adaptive"][0])


def test_more_than_63_targets_are_scored():
    truth = np.zeros((8, 300), np.uint8)
    truth[2:6, ::4] = 255
    results = step(sod.SizeInvarianceFmeasureV2({"iou": sod.IOUHandler(True, False)}), truth, truth)
    assert results["iou"]["dynamic"][0].shape == (75, 256)
    assert step(sod.SizeInvarianceMAE(), truth, truth)["si_mae"] == 0


def test_an_image_too_small_for_patches_has_no_camouflage():
    mask, truth = frozen_pairs(["three by five"])[0]
    image = np.zeros((3, 5, 3), np.uint8)
    result = step(sod.CamouflageContextMeasure(beta2=1), mask, truth, img=image)["ccm"]
    assert result == pytest.approx(step(sod.ContextMeasure(), mask, truth)["cm"])


def test_results_without_images_are_nan_with_a_warning():
    for make in CLASSES.values():
        metric = make(sod)
        if not isinstance(metric, sod.FmeasureV2):
            with pytest.warns(RuntimeWarning):
                assert all(np.isnan(numbers).all() for _, numbers in list_numbers(metric.get_results()))


def test_no_image_is_stored():
    mask, truth = frozen_pairs(["grey truth"])[0]
    for name, make in CLASSES.items():
        metric = step_all(make(sod), "uint8", [(mask, truth)] * 2)
        holders = [metric, *getattr(metric, "_metric_handlers", {}).values()]
        arrays = [np.asarray(item) for h in holders for v in vars(h).values() if isinstance(v, list) for item in v]
        assert arrays, name
        assert all(array.shape[-1:] in ((), (256,), (257,)) and array.size < mask.size for array in arrays), name


def test_a_users_own_handler_gets_counts():
    class Errors(sod.fmeasurev2._BaseHandler):
        def __call__(self, tp, fp, tn, fn):
            return fp + fn

    metric = sod.FmeasureV2()
    metric.add_handler("errors", Errors(with_dynamic=True, with_adaptive=False, with_binary=True))
    mask, truth = frozen_pairs(["blobs, binary"])[0]
    results = step(metric, mask, truth)["errors"]
    errors = np.count_nonzero((mask > 128) != (truth > 128))
    assert results["binary"] == results["dynamic"][0] == errors  # threshold 255 comes first
    assert results["dynamic"][-1] == np.count_nonzero(truth <= 128)


def test_a_copy_counts_on_its_own():
    pair = frozen_pairs(["blobs, binary"])[0]
    options = {"with_dynamic": False, "with_adaptive": False, "with_binary": True, "sample_based": False}
    metric = sod.FmeasureV2({"f": sod.FmeasureHandler(**options)})
    twin = copy.deepcopy(metric)
    metric.step(*pair)
    assert twin._metric_handlers["f"].binary_results == {"tp": 0, "fp": 0, "tn": 0, "fn": 0}


def test_functions_of_one_map_equal_step():
    mask, truth = frozen_pairs(["blobs, noise"])[0]
    values, inside = sod.utils.validate_and_normalize_input(mask, truth)
    for make, function, numbers in (
        (sod.MAE, "cal_mae", "maes"),
        (sod.Smeasure, "cal_sm", "sms"),
        (sod.WeightedFmeasure, "cal_wfm", "weighted_fms"),
        (sod.HumanCorrectionEffortMeasure, "cal_hce", "hces"),
        (sod.Emeasure, "cal_adaptive_em", "adaptive_ems"),
        (sod.Fmeasure, "cal_adaptive_fm", "adaptive_fms"),
    ):
        metric = make()
        metric.step(mask, truth)
        assert getattr(metric, function)(values, inside) == pytest.approx(getattr(metric, numbers)[0]), function
    metric = sod.Smeasure()
    halves = metric.object(values, inside) + metric.region(values, inside)
    assert halves / 2 == pytest.approx(metric.cal_sm(values, inside))
    metric = sod.Fmeasure()
    metric.step(mask, truth)
    for curve, numbers in zip(metric.cal_pr(values, inside), ("precisions", "recalls", "changeable_fms"), strict=True):
        assert (curve == getattr(metric, numbers)[0]).all()
    metric = sod.Emeasure()
    metric.step(mask, truth)
    for function in (metric.cal_changeable_em, metric.cal_em_with_cumsumhistogram):
        assert (function(values, inside) == metric.changeable_ems[0]).all()
    threshold = sod.utils.get_adaptive_threshold(values)
    assert metric.cal_em_with_threshold(values, inside, threshold) == pytest.approx(metric.adaptive_ems[0])
    measures, pixels = sod.FmeasureV2(), np.count_nonzero(inside)
    counts = measures.adaptively_binarizing(values, inside, pixels, inside.size - pixels)
    assert counts == measures.get_statistics(values >= threshold, inside, pixels, inside.size - pixels)
    assert measures.dynamically_binarizing(values, inside, pixels, inside.size - pixels)["tp"][-1] == pixels
    context = sod.ContextMeasure()
    context.step(mask, truth)
    assert context.compute(values, inside, np.zeros(mask.shape)) == pytest.approx(context.scores[0])


def test_every_public_name_of_pysodmetrics_is_there():
    names = {f"{name}Handler" for name in HANDLERS} | {
        "CamouflageContextMeasure", "ContextMeasure", "Emeasure", "Fmeasure", "FmeasureV2", "MAE", "MSIoU",
        "HumanCorrectionEffortMeasure", "SizeInvarianceFmeasureV2", "SizeInvarianceMAE", "Smeasure", "WeightedFmeasure",
    }  # fmt: skip
    assert names == set(sod.__all__)
    for module in ("context_measure", "fmeasurev2", "multiscale_iou", "size_invariance", "sod_metrics", "utils"):
        assert hasattr(sod, module)
    assert sod.TPRHandler is sod.SensitivityHandler is sod.RecallHandler and sod.TNRHandler is sod.SpecificityHandler
