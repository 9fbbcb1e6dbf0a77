"""The measures of shapes through measure(), score() and the command line."""

import json

import cv2
import numpy as np
import pytest
from command import call
from measure_pairs import frozen_answer, frozen_pair, prepared

from disbench.errors import InputError
from disbench.metrics import pixel_metrics
from disbench.metrics.boundary import mean_boundary_accuracy
from disbench.metrics.catalogue import METRICS, resolve_metrics
from disbench.metrics.measurement import measure
from disbench.metrics.protocols import PROTOCOLS
from disbench.metrics.scoring import per_image, score

SHAPES = (
    "biou_max", "biou_mean", "biou_binary", "mba", "msiou_adaptive", "msiou_binary", "msiou_max", "msiou_mean",
    "size_mae", "size_f_max", "size_f_mean", "size_f_adaptive", "size_f_binary", "context",
)  # fmt: skip
CURVE_METRICS = {"biou_max": "biou_mean", "msiou_max": "msiou_mean"}


def test_each_is_in_the_registry_and_optional():
    others = {key for key in METRICS if key.startswith(("size_", "boundary_"))} - set(SHAPES)
    assert len(others) == 10 * 4 + 11 + 2
    assert {METRICS[key].direction for key in others if "fpr" not in key and "ber" not in key} == {"higher"}
    alpha = {f"{key}{region}" for key in ("sad", "mad", "alpha_mse", "grad", "conn") for region in ("", "_unknown")}
    optional = {key for key, metric in METRICS.items() if metric.optional and "hce" not in key}
    assert optional == {*SHAPES, *others, *alpha, "camouflage_context"}
    assert {METRICS[key].direction for key in alpha} == {"lower"}
    assert not set(SHAPES) & set(resolve_metrics("all"))
    for key in SHAPES:
        assert METRICS[key].direction == ("lower" if key == "size_mae" else "higher")


@pytest.mark.parametrize("name", ["wheel, typical", "blobs, noise", "one row", "no truth, typical"])
def test_scores_are_the_frozen_answers(name):
    scores = score([measure(*frozen_pair(name), metrics=SHAPES)], metrics=SHAPES)
    expected = {
        **dict(zip(SHAPES[:2], frozen_answer("biou", name)[-2:], strict=True)),
        "mba": np.nan_to_num(frozen_answer("mba", name)),
        **dict(zip(SHAPES[4:6], frozen_answer("multiscale exact", name), strict=True)),
        **dict(zip(SHAPES[6:8], frozen_answer("multiscale curve", name)[-2:], strict=True)),
        "size_mae": frozen_answer("size mae", name),
        **dict(zip(SHAPES[9:13], frozen_answer("size f", name), strict=True)),
    }
    assert {key: scores[key] for key in expected} == pytest.approx(expected, abs=1e-12)
    assert scores["context"] == pytest.approx(frozen_answer("context", name), abs=1e-6)


def test_a_data_set_has_the_mean_of_its_images():
    images = [
        measure(*frozen_pair(name), metrics=SHAPES) for name in ("wheel, typical", "blobs, noise", "hairs, noisy")
    ]
    scores, by_image = score(images, metrics=SHAPES), [score([image], metrics=SHAPES) for image in images]
    for key in SHAPES:
        assert len({image[key] for image in by_image}) == 3
        if key not in CURVE_METRICS:
            assert scores[key] == pytest.approx(np.mean([image[key] for image in by_image]))


@pytest.mark.parametrize(("key", "mean"), CURVE_METRICS.items())
def test_a_maximum_is_that_of_the_mean_curve(key, mean):
    images = [measure(*frozen_pair(name), metrics=[key]) for name in ("wheel, typical", "blobs, noise", "hairs, noisy")]
    curves = np.array([image.values[key] for image in images])
    scores, by_image = score(images, metrics=[key, mean]), per_image(images, metrics=[key, mean])
    assert scores == pytest.approx({key: curves.mean(0).max(), mean: curves.mean()}, abs=1e-15)
    assert by_image[key].tolist() == curves.max(1).tolist()
    assert scores[key] < by_image[key].mean() - 1e-3


def test_protocols_see_their_own_foreground_and_binary_maps():
    mask, truth = frozen_pair("hairs, noisy")
    truth = truth // 2 + 20  # foreground above half of its maximum, none above 128 but 147
    truth[truth == 20] = 110
    together = measure(mask, truth, ",".join(PROTOCOLS), SHAPES)
    assert set(pixel_metrics.list_needed_columns(PROTOCOLS.values(), SHAPES)) == set(together.values)
    foreground = np.where(truth > 128, np.uint8(255), np.uint8(0))
    assert score([together], "pysod", ["mba"])["mba"] == mean_boundary_accuracy(mask, foreground)
    foreground[:] = 255  # above 147 // 2
    assert score([together], "mvanet", ["mba", "context"])["mba"] == 0
    for protocol in PROTOCOLS:
        assert score([together], protocol, SHAPES) == score([measure(mask, truth, protocol, SHAPES)], protocol, SHAPES)
    lo, hi = prepared(mask, truth)[2:]
    binary = np.where(2 * mask.astype(int) > lo + hi, np.uint8(255), np.uint8(0))
    assert score([together], "diffdis", SHAPES) == score([measure(binary, truth, "mvanet", SHAPES)], "mvanet", SHAPES)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (13, 17)])
@pytest.mark.parametrize("truth", [0, 255, "corner"])
@pytest.mark.parametrize("mask", [0, 77, 255, "ramp"])
def test_everything_is_in_range(shape, truth, mask):
    target = np.zeros(shape, np.uint8)
    if truth == "corner":
        target[-1, -1] = 255
    else:
        target[:] = truth
    ramp = np.arange(target.size, dtype=np.uint8).reshape(shape)
    prediction = ramp if mask == "ramp" else np.full(shape, mask, np.uint8)
    for key, value in score([measure(prediction, target, metrics=SHAPES)], metrics=SHAPES).items():
        assert 0 <= value <= 1 + 1e-6, key


def test_what_was_not_asked_for_is_not_computed():
    mask, truth = frozen_pair("wheel, typical")
    assert not set(SHAPES) & set(measure(mask, truth).values)
    only = measure(mask, truth, metrics="mba,size_mae").values
    assert set(SHAPES) & set(only) == {"mba", *SHAPES[8:13]}
    with pytest.raises(InputError, match=r"context under protocol pysod was not measured.*--metrics context$"):
        score([measure(mask, truth)], metrics="context")


def test_the_command_line_knows_them(tmp_path, make_pairs):
    assert set(SHAPES) <= {metric["key"] for metric in json.loads(call("metrics", "--json").stdout)}
    make_pairs(tmp_path / "data", ["a", "b"])
    maps = tmp_path / "maps"
    maps.mkdir()
    images = []
    for name in ("a", "b"):
        truth = cv2.imread(str(tmp_path / "data" / "gt" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
        mask = cv2.GaussianBlur(truth, (0, 0), 3)
        cv2.imwrite(str(maps / f"{name}.png"), mask)
        images.append(measure(mask, truth, metrics=SHAPES))
    arguments = (
        "--truth",
        tmp_path / "data" / "gt",
        "--out",
        tmp_path / "runs",
        "--metrics",
        ",".join(SHAPES),
        "--json",
    )
    (run,) = json.loads(call("score", maps, *arguments).stdout)
    (scores,) = run["scores"].values()
    assert scores == pytest.approx(score(images, metrics=SHAPES), abs=1e-9)
