"""A Meter scores the batches of a training loop as `disbench score` scores the saved maps."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from saved_maps import EVERY, IN_ORDER, KEYS, NAMES, draw_pairs, save_pairs, score_saved

import disbench
from disbench.errors import InputError
from disbench.metrics.batches import list_maps, to_levels, to_truth_levels

TRUTH = np.zeros((6, 8), np.uint8)
TRUTH[1:4, 2:6] = 255
ZEROS = np.zeros((6, 8), np.float32)


def filled(pairs, names=None, **arguments):
    meter = disbench.Meter(**{"metrics": "f_max,mae", **arguments})
    meter.update([soft for soft, _ in pairs], [truth for _, truth in pairs], names)
    return meter


@pytest.fixture
def pairs():
    return draw_pairs()


@pytest.mark.parametrize("rounding", ["round", "truncate"])
def test_scores_equal_those_of_the_command_on_saved_maps(pairs, rounding, tmp_path):
    saved = {"truncate": lambda x: (x * 255).astype(np.uint8), "round": lambda x: (x * 255).round().astype(np.uint8)}
    save_pairs(tmp_path, [saved[rounding](soft) for soft, _ in pairs], [truth for _, truth in pairs])
    expected = score_saved(tmp_path)
    assert len(expected) == 8 * (len(set(disbench.METRICS)) - sum(m.optional for m in disbench.METRICS.values()) + 3)
    meter = disbench.Meter(EVERY, KEYS, rounding=rounding)
    for i in (3, 0, 5, 1, 4, 2):
        soft, truth = pairs[i]
        meter.update(soft, truth / 255 if i % 2 else truth, NAMES[i])
    assert meter.compute() == expected
    assert meter.names == [NAMES[i] for i in IN_ORDER]
    assert filled([pairs[i] for i in IN_ORDER], protocol=EVERY, metrics=KEYS, rounding=rounding).compute() == expected


def test_maps_that_are_resized_score_as_the_command_scores_them(pairs, tmp_path):
    small = [(soft[::2, ::3], truth) for soft, truth in pairs]
    save_pairs(tmp_path, [(soft * 255).astype(np.uint8) for soft, _ in small], [truth for _, truth in small])
    for protocols, resize in (("birefnet", "opencv-bilinear"), ("mvanet,diffdis", "pillow-bicubic")):
        expected = score_saved(tmp_path, "all", protocols)
        meter = filled(small, NAMES, protocol=protocols, metrics="all", rounding="truncate", resize=resize)
        prefix = "" if "," in protocols else f"{protocols}/"
        assert {prefix + key: value for key, value in meter.compute().items()} == expected


def test_names_make_scores_independent_of_the_order_of_updates():
    rng = np.random.default_rng(0)
    pairs = [(rng.random((6, 8)), TRUTH) for _ in range(40)]
    names = [f"{i:02}" for i in range(40)]
    scores = filled(pairs, names).compute()
    assert filled(pairs).compute() == scores
    assert filled(pairs[::-1]).compute() != scores  # without names the last bits differ
    assert filled(pairs[::-1], names[::-1]).compute() == scores


def test_keys_have_the_protocol_in_front_if_there_are_several():
    one = filled([(TRUTH, TRUTH)], protocol="diffdis", metrics="mae,f_max")
    assert one.compute() == {"mae": 0.0, "f_max": pytest.approx(1)}
    both = filled([(TRUTH, TRUTH)], protocol="pysod,diffdis", metrics="mae")
    assert both.compute() == {"pysod/mae": 0.0, "diffdis/mae": 0.0}
    assert list(filled([(TRUTH, TRUTH)], metrics=None).compute()) == [
        "f_max", "f_mean", "f_adaptive", "f_weighted", "e_max", "e_mean", "e_adaptive", "s_measure", "mae"
    ]  # fmt: skip


def test_each_image_has_its_score_in_the_order_of_the_names():
    meter = filled([(255 - TRUTH, TRUTH), (TRUTH, TRUTH)], ["b", "A"], metrics="mae")
    assert meter.names == ["A", "b"]
    assert meter.per_image()["mae"].tolist() == [0.0, 1.0]
    assert filled([(255 - TRUTH, TRUTH), (TRUTH, TRUTH)], metrics="mae").per_image()["mae"].tolist() == [1.0, 0.0]
    assert filled([(TRUTH, TRUTH)]).names is None


# -- Shapes and types


@pytest.mark.parametrize(
    ("shape", "count"), [((6, 8), 1), ((1, 6, 8), 1), ((3, 6, 8), 3), ((3, 1, 6, 8), 3), ((1, 1, 6, 8), 1)]
)
def test_batches_of_every_shape_are_split_into_maps(shape, count):
    batch = np.arange(count * 48).reshape(shape)
    maps = list_maps("preds", batch)
    assert [array.shape for array in maps] == [(6, 8)] * count
    assert np.array_equal(np.concatenate(maps).ravel(), batch.ravel())


def test_a_list_may_have_maps_of_different_sizes_and_kinds():
    maps = list_maps("preds", (np.zeros((2, 3)), np.ones((1, 4, 5), np.uint8), np.zeros((6, 1))))
    assert [array.shape for array in maps] == [(2, 3), (4, 5), (6, 1)]


@pytest.mark.parametrize("shape", [(8,), (2, 3, 6, 8), (2, 6, 8, 1), (6, 8, 1), (1, 1, 1, 6, 8), ()])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match=r"^preds: got the shape \("):
        list_maps("preds", np.zeros(shape))
    if len(shape) != 3:
        with pytest.raises(InputError, match=r"^preds\[1\]: got the shape \("):
            list_maps("preds", [np.zeros((6, 8)), np.zeros(shape)])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", np.longdouble])
def test_floats_become_levels_by_either_rule(dtype):
    values = np.array([[0, 0.25, 0.5, 0.75, 1]], dtype)  # times 255: 63.75, 127.5, 191.25
    assert to_levels("preds", values, "truncate").tolist() == [[0, 63, 127, 191, 255]]
    assert to_levels("preds", values, "round").tolist() == [[0, 64, 128, 191, 255]]


def test_products_have_the_precision_of_the_values():
    values = np.random.default_rng(0).random((50, 60), np.float32)
    assert np.array_equal(to_levels("preds", values, "truncate"), (values * 255).astype(np.uint8))
    below = np.array([[100 / 255 - 1e-12]])  # single precision has no value between this one and 100 / 255
    assert to_levels("preds", below, "truncate").tolist() == [[99]]
    assert to_levels("preds", below.astype(np.float32), "truncate").tolist() == [[100]]


def test_half_precision_is_multiplied_in_single_precision():
    values = np.arange(1025, dtype=np.float16).reshape(25, 41) / np.float16(1024)
    exact = [[int(value * 1024) * 255 // 1024 for value in row] for row in values]  # in integers
    assert to_levels("preds", values, "truncate").tolist() == exact


@pytest.mark.parametrize("rounding", ["round", "truncate"])
def test_rounding_errors_of_interpolation_are_no_fault(rounding):
    values = np.array([[-1e-6, 0, 1, 1 + 1e-6]], np.float32)
    assert to_levels("preds", values, rounding).tolist() == [[0, 0, 255, 255]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_truth_keeps_its_levels_as_float(dtype):
    levels = np.arange(256, dtype=np.uint8).reshape(8, 32)
    assert np.array_equal(to_truth_levels("target", (levels / 255).astype(dtype)), levels)


@pytest.mark.parametrize("truth", [TRUTH > 0, TRUTH // 255, TRUTH, TRUTH / 255, (TRUTH / 255).astype(np.float16)])
def test_truths_of_every_kind_are_the_same_mask(truth):
    assert np.array_equal(to_truth_levels("target", truth), TRUTH)


@pytest.mark.parametrize(
    ("truth", "top"), [(TRUTH // 2, 127), (TRUTH // 255 * 3, 3), (TRUTH / 510, 128), (ZEROS + 1 / 255, 1)]
)
def test_a_truth_without_foreground_that_is_not_empty_is_refused(truth, top):
    with pytest.raises(InputError, match=rf"^target\[0\]: its largest level is {top}, so no pixel is foreground"):
        disbench.Meter().update(TRUTH, truth)


def test_an_empty_truth_is_valid():
    assert filled([(ZEROS, ZEROS)], metrics="mae").compute() == {"mae": 0.0}


@pytest.mark.parametrize(
    ("preds", "message"),
    [
        (ZEROS + 7.5, "got floats from 7.5 to 7.5, expected 0 to 1; divide levels by 255"),
        (ZEROS - 3, "got floats from -3 to -3, expected 0 to 1; apply a sigmoid to logits"),
        (ZEROS + 1.001, "got floats from 1.001 to 1.001"),
        (np.where(TRUTH, np.nan, ZEROS), "got NaN or infinity in 12 of 48 pixels"),
        (np.where(TRUTH, -np.inf, ZEROS), "got NaN or infinity in 12 of 48 pixels"),
        (np.where(TRUTH, np.inf, ZEROS).astype(np.float16), "got NaN or infinity in 12 of 48 pixels"),
        (TRUTH.astype(np.int64), "got int64, expected float 0 to 1, uint8 0 to 255 or bool"),
        (TRUTH.astype(np.uint16), "got uint16, expected float"),
        (ZEROS.astype(complex), "got complex128, expected float"),
        (ZEROS.astype(object), "got object, expected float"),
        (np.zeros((0, 8)), r"got the shape \(0, 8\), expected at least one pixel"),
        (np.zeros((5, 8)), r"its size is \(5, 8\), that of its ground truth \(6, 8\); resize it"),
        (np.zeros((8, 6)), r"its size is \(8, 6\)"),
    ],
)
def test_unfit_values_are_refused_with_what_was_received(preds, message):
    with pytest.raises(InputError, match=rf"^preds\[0\] \(chair\): {message}"):
        disbench.Meter().update(preds, TRUTH, "chair")


@pytest.mark.parametrize(
    ("preds", "message"),
    [
        ("map.png", "preds: got a str, expected a NumPy array, or a tensor of torch"),
        (None, "preds: got a NoneType"),
        ({"out": ZEROS}, "preds: got a dict"),
        ([[0.5, 0.5]], r"preds\[0\]: got a list"),
        (np.ma.masked_array(ZEROS, TRUTH > 0), "preds: got a numpy.MaskedArray"),
        ([], "preds, target: got 0 predictions and 1 ground truths"),
        ([ZEROS, ZEROS], "preds, target: got 2 predictions and 1 ground truths"),
    ],
)
def test_other_objects_are_refused(preds, message):
    with pytest.raises(InputError, match=f"^{message}"):
        disbench.Meter().update(preds, [TRUTH])


def test_faults_of_the_truth_name_the_truth():
    for truth in (TRUTH * np.nan, TRUTH.astype(np.int32), TRUTH.astype(np.float32)):
        with pytest.raises(InputError, match=r"^target\[0\]: got"):
            disbench.Meter().update(ZEROS, truth)


def test_nothing_of_a_batch_with_a_fault_is_added():
    meter = filled([(TRUTH, TRUTH)], ["a"])
    before = meter.compute()
    with pytest.raises(InputError, match=r"preds\[1\]"):
        meter.update([ZEROS, ZEROS + 2], [TRUTH, TRUTH], ["b", "c"])
    with pytest.raises(InputError, match="'A' was measured already"):
        meter.update([ZEROS, ZEROS], [TRUTH, TRUTH], ["b", "A"])
    assert meter.names == ["a"]
    assert meter.compute() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rounding": "floor"}, "rounding: 'floor' is unknown; known: round, truncate"),
        ({"rounding": None}, "rounding: got None"),
        ({"resize": "bilinear"}, "resize: 'bilinear' is unknown; did you mean opencv-bilinear"),
        ({"resize": True}, "resize: got True"),
        ({"protocol": "pysod,mvanet", "resize": "opencv-bilinear"}, "resize: .* protocol mvanet resizes by pillow-b"),
        ({"protocol": "pysodd"}, "protocol: 'pysodd' is unknown"),
        ({"protocol": ["pysod"]}, "protocol: got"),
        ({"metrics": "fmax"}, "unknown metric 'fmax'"),
        ({"metrics": "mae,grad_unknown"}, "metrics: grad_unknown needs trimaps"),
    ],
)
def test_unfit_arguments_are_refused_at_once(arguments, message):
    with pytest.raises(InputError, match=f"^{message}"):
        disbench.Meter(**arguments)


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"], [1, 2], ["a", None], ["", "b"], {"a", "b"}, b"ab"])
def test_names_are_texts_one_for_each_image(names):
    with pytest.raises(InputError, match=r"^names: got"):
        disbench.Meter().update([TRUTH, TRUTH], [TRUTH, TRUTH], names)


# -- Lists of images


def test_all_images_have_names_or_none():
    meter = filled([(TRUTH, TRUTH)], ["a"])
    with pytest.raises(InputError, match=r"^names: given for some images only"):
        meter.update(TRUTH, TRUTH)
    with pytest.raises(InputError, match=r"^names: given for some images only"):
        meter.merge(filled([(TRUTH, TRUTH)]))
    meter.reset()
    meter.update(TRUTH, TRUTH)


def test_without_images_there_are_no_scores():
    meter = filled([(TRUTH, TRUTH)])
    meter.reset()
    for function in (meter.compute, meter.per_image):
        with pytest.raises(InputError, match=r"^no images to score; call update\(\) first"):
            function()


def test_merged_meters_score_like_one(pairs):
    whole = filled(pairs, NAMES)
    first, second = filled(pairs[4:], NAMES[4:]), filled(pairs[:4], NAMES[:4])
    first.merge(second)
    assert first.compute() == whole.compute()
    assert second.names == ["a", "a-1", "a1", "Bike"]
    first, second = filled(pairs[:4]), filled(pairs[4:])
    first.merge(second)
    assert first.compute() == filled(pairs).compute()


def test_an_image_that_both_meters_have_counts_once():
    meter = filled([(TRUTH, TRUTH)], ["a"])
    meter.merge(filled([(255 - TRUTH, TRUTH), (255 - TRUTH, TRUTH)], ["A", "b"]))
    assert meter.names == ["a", "b"]
    assert meter.compute()["mae"] == 0.5


@pytest.mark.parametrize("arguments", [{"protocol": "isnet"}, {"metrics": "mae"}, {"rounding": "truncate"}])
def test_meters_of_other_arguments_do_not_merge(arguments):
    with pytest.raises(InputError, match=r"^other: got .*expected the same arguments"):
        filled([(TRUTH, TRUTH)]).merge(filled([(TRUTH, TRUTH)], **arguments))
    with pytest.raises(InputError, match=r"^other: got 3"):
        filled([(TRUTH, TRUTH)]).merge(3)


def test_a_pickled_meter_scores_the_same_and_is_small(pairs):
    meter = filled(pairs, NAMES, protocol=EVERY, metrics="all")
    data = pickle.dumps(meter)
    copy = pickle.loads(data)
    assert copy.compute() == meter.compute()
    assert len(data) < 3000 * len(pairs)
    copy.update(TRUTH, TRUTH, "more")
    assert len(copy.names) == len(meter.names) + 1


def test_a_batch_is_not_changed():
    batches = [ZEROS.copy(), TRUTH.copy(), (TRUTH // 255).copy()]
    for batch in batches:
        batch.flags.writeable = False
    meter = disbench.Meter()
    meter.update(batches, [TRUTH // 255, TRUTH, TRUTH > 0])
    assert set(meter.compute()) == set(filled([(TRUTH, TRUTH)], metrics=None).compute())


# -- torch


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32", "float64", "uint8", "bool"])
def test_tensors_score_like_arrays(kind):
    torch = pytest.importorskip("torch")
    soft = torch.linspace(0, 1, 96).reshape(2, 1, 6, 8)
    soft = {"uint8": (soft * 255).to(torch.uint8), "bool": soft > 0.4}.get(kind, soft.to(getattr(torch, kind)))
    array = soft.float().numpy() if kind == "bfloat16" else soft.numpy()
    truth = np.stack([TRUTH, TRUTH])
    expected = disbench.Meter()
    expected.update(array, truth)
    meter = disbench.Meter()
    meter.update(soft, torch.from_numpy(truth))
    assert meter.compute() == expected.compute()


def test_tensors_with_gradients_views_and_subclasses_are_read():
    torch = pytest.importorskip("torch")
    soft = torch.linspace(0, 1, 48).reshape(8, 6)
    expected = filled([(soft.T.contiguous().numpy(), TRUTH)]).compute()
    assert filled([(soft.requires_grad_().T, TRUTH)]).compute() == expected
    assert filled([(torch.nn.Parameter(soft.detach().T), torch.tensor(TRUTH))]).compute() == expected


def test_tensors_without_values_are_refused():
    torch = pytest.importorskip("torch")
    for tensor in (torch.zeros(6, 8, device="meta"), torch.zeros(6, 8).to_sparse()):
        with pytest.raises(InputError, match=r"^preds: cannot be read \(.*give a dense tensor"):
            disbench.Meter().update(tensor, TRUTH)
    with pytest.raises(InputError, match=r"^target\[0\]: got int64"):
        disbench.Meter().update(torch.zeros(6, 8), torch.zeros(6, 8, dtype=torch.long))
    with pytest.raises(InputError, match=r"^preds\[0\]: got floats from -2 to 3"):
        disbench.Meter().update(torch.tensor([[-2.0, 3.0]]), TRUTH)


def test_a_meter_for_arrays_does_not_import_torch():
    code = (
        "import sys, numpy as np, disbench; m = disbench.Meter(metrics='mae'); t = np.eye(4, dtype=bool);"
        "m.update(t / 1, t); assert m.compute() == {'mae': 0.0}; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
