"""Agreement of the protocols with the scripts of their authors, whose answers goldens/make_protocols.py has frozen."""

from dataclasses import replace
from pathlib import Path

import naive_protocols
import numpy as np
import pytest
from drawn_pairs import pairs as drawn
from hypothesis import given, settings
from hypothesis import strategies as st

from disbench.errors import InputError
from disbench.metrics import pixel_metrics
from disbench.metrics.catalogue import METRICS
from disbench.metrics.measurement import measure_soft as measure  # measure() refuses dark truths, which scripts take
from disbench.metrics.protocols import PROTOCOLS, parse_protocols
from disbench.metrics.resize import resize_map
from disbench.metrics.scoring import curves, make_signature, per_image, score

GOLDENS = Path(__file__).parents[1] / "goldens"
FROZEN, SHARED = dict(np.load(GOLDENS / "protocols.npz")), np.load(GOLDENS / "pysod.npz")
NAMES, EXPECTED_KEYS, SETS = (FROZEN[key].tolist() for key in ("names", "keys", "sets"))
KEYS = [key for key in EXPECTED_KEYS if key != "f_alone"]  # which is not of a data set
PEERS = ("mvanet", "mvanet-2024-11", "mvanet-2024", "diffdis", "isnet", "birefnet", "pdfnet")
# Their S and IS-Net's F and MAE are of single precision.
SINGLE = {(p, "s_measure") for p in PEERS[:4]} | {
    ("isnet", "f_max"),
    ("isnet", "f_alone"),
    ("isnet", "mae"),
}
# The protocols depart from the scripts in these cases, as disbench.metrics.scoring and docs/protocols.md say: a
# quadrant that is constant in map and truth, E of one pixel, efforts where the whole image is wrong, and a truth of 0
# and 1, which is all background to BiRefNet.
CONSTANT_QUADRANTS = {"one pixel, constant 77", "one pixel, constant 128"}
WHOLLY_WRONG = {"no truth, constant", "all truth, constant", "one pixel in all"}


def departs(protocol, name, key):
    return (
        (key == "s_measure" and name in CONSTANT_QUADRANTS and protocol.startswith(("mvanet", "pdfnet")))
        or (key == "hce" and name in WHOLLY_WRONG)
        or (key.startswith("e_") and name == "one pixel in all")
        or (protocol in ("birefnet", "pdfnet") and name == "truth of 0 and 1")
    )


def pair(name, resize=None):
    if name in SHARED["names"]:
        i = SHARED["names"].tolist().index(name)
        mask, truth = SHARED[f"mask{i}"], SHARED[f"truth{i}"]
    else:
        mask, truth = FROZEN[f"mask {name}"], FROZEN[f"truth {name}"]
    if truth.max() == 1:
        truth = truth * 255  # as files are read
    return (mask if mask.shape == truth.shape else resize_map(mask, truth.shape, resize)), truth


def cases():
    for protocol in PEERS:
        for i, name in enumerate(NAMES):
            expected = dict(zip(EXPECTED_KEYS, FROZEN[protocol][i], strict=True))
            fits = PROTOCOLS[protocol].resize or "a map " not in name
            if fits and not np.isnan(list(expected.values())).all():
                yield pytest.param(protocol, name, expected, id=f"{protocol}: {name}")


@pytest.mark.parametrize(("protocol", "name", "expected"), list(cases()))
def test_equal_to_the_authors_script(protocol, name, expected):
    measured = [measure(*pair(name, PROTOCOLS[protocol].resize), protocol, KEYS)]
    scores = score(measured, protocol, KEYS)
    scores["f_alone"] = per_image(measured, protocol, ["f_max"])["f_max"][0]
    for key, value in expected.items():
        assert np.isfinite(scores[key])
        if not np.isnan(value) and not departs(protocol, name, key):
            assert scores[key] == pytest.approx(value, abs=1e-6 if (protocol, key) in SINGLE else 1e-9), key


@pytest.mark.parametrize("protocol", PEERS)
@pytest.mark.parametrize("index", range(len(SETS)), ids=SETS)
def test_data_sets_are_equal_to_the_authors_script(protocol, index):
    scores = score([measure(*pair(name), protocol, KEYS) for name in FROZEN[f"set{index}"]], protocol, KEYS)
    for key, value in zip(KEYS, FROZEN[f"{protocol} sets"][index], strict=False):
        if not np.isnan(value):
            assert scores[key] == pytest.approx(value, abs=1e-6 if (protocol, key) in SINGLE else 1e-9), key


def test_enough_is_compared():
    counts = {p: sum(case.values[0] == p for case in cases()) for p in PEERS}
    assert min(counts.values()) >= 45
    answered = {p: set(np.array(EXPECTED_KEYS)[~np.isnan(FROZEN[p]).all(0)]) for p in PEERS}
    counted = {"iou_binary", "ber_binary", "accuracy_binary", "dice_soft"}
    assert answered["birefnet"] == set(KEYS) - counted
    assert answered["pdfnet"] == answered["birefnet"] - {"hce"}
    assert answered["mvanet"] == answered["diffdis"] == set(KEYS) - {"e_max", "e_mean"}
    assert answered["mvanet-2024"] == answered["mvanet-2024-11"] == answered["mvanet"] - {"hce"}
    assert answered["isnet"] == {"f_max", "f_alone", "mae", "hce"}


def test_what_sets_the_protocols_apart_is_in_the_goldens():
    """A switch that no golden exercises could be wrong unseen."""
    f = KEYS.index("f_max")
    mean, of_means = (FROZEN[f"{p} sets"][0][f] for p in ("mvanet", "mvanet-2024"))
    assert abs(mean - of_means) > 1e-3
    with_empty = [pair(name) for name in FROZEN["set1"]]
    assert sum(not (truth > 128).any() for _, truth in with_empty) == 2
    counted = score([measure(*images, "mvanet") for images in with_empty], "pysod", ["f_max"])["f_max"]
    assert FROZEN["mvanet sets"][1][f] == pytest.approx(counted * 6 / 4, abs=1e-6)
    parts = {name for name in NAMES if measure(*pair(name, "pillow-bicubic")).fg_half is not None}
    assert parts == {"no truth, constant", "grey truth", "grey truth, typical", "grey truth, with 128",
                     "grey truth, dark", "truth of 0 and 100"}  # fmt: skip


@pytest.mark.parametrize("name", ["wheel, typical", "grey truth, with 128", "blobs, constant 77", "half way"])
def test_protocols_measured_together_give_what_each_gives(name):
    every = ",".join(PROTOCOLS)
    together = measure(*pair(name), every, "all,hce")
    assert tuple(together.values) == pixel_metrics.list_needed_columns(PROTOCOLS.values(), ["hce"])
    for protocol in PROTOCOLS:
        single = measure(*pair(name), protocol, "all,hce_fn_points")
        assert score([together], protocol, "all,hce") == score([single], protocol, "all,hce")
        assert tuple(single.values) == pixel_metrics.list_needed_columns([PROTOCOLS[protocol]], ["hce"])


def test_what_protocols_share_is_computed_once(monkeypatch):
    calls = []
    weighted = pixel_metrics.PIXEL_METRICS["f_weighted"]

    def count_inputs(pair, protocol):
        calls.append(protocol.name)
        return weighted.inputs(pair, protocol)

    monkeypatch.setitem(pixel_metrics.PIXEL_METRICS, "f_weighted", replace(weighted, inputs=count_inputs))
    measure(*pair("wheel, typical"), ",".join(PROTOCOLS))
    assert calls == ["pysod", "diffdis", "mvanet", "mvanet-2024-11", "pdfnet"]


@settings(max_examples=40, deadline=None)
@given(drawn(2, 24))
def test_binarised_levels_are_those_of_the_binary_map(images):
    """diffdis on a map is diffdis on its binary map, and mvanet on that."""
    mask, truth = images
    lo, hi = (0, 255) if mask.min() == mask.max() else (int(mask.min()), int(mask.max()))
    binary = np.where(2 * mask.astype(int) > lo + hi, 255, 0).astype(np.uint8)
    keys = [key for key in METRICS if not METRICS[key].optional]
    scores = score([measure(mask, truth, "diffdis")], "diffdis", keys)
    assert scores == score([measure(binary, truth, "diffdis")], "diffdis", keys)
    assert scores == score([measure(binary, truth, "mvanet")], "mvanet", keys)


@settings(max_examples=40, deadline=None)
@given(st.lists(drawn(6, 20), min_size=1, max_size=3))
def test_fast_is_naive(images):
    expected = {
        "mvanet": naive_protocols.mvanet(images),
        "mvanet-2024-11": naive_protocols.mvanet(images, smaller=True),
        "mvanet-2024": naive_protocols.mvanet(images, of_means=True),
        "diffdis": naive_protocols.mvanet(images, binarise=True),
        "isnet": naive_protocols.isnet(images),
        "birefnet": {"s_measure": np.mean([naive_protocols.birefnet_s(*pair) for pair in images])},
        "pdfnet": naive_protocols.pdfnet(images),
    }
    measured = [measure(*pair, ",".join(PROTOCOLS)) for pair in images]
    for protocol, scores in expected.items():
        assert score(measured, protocol, list(scores)) == pytest.approx(scores, abs=1e-9), protocol


def test_curves_have_the_protocols_thresholds():
    measured = [measure(*pair("wheel, typical"), ",".join(PROTOCOLS))]
    assert {p: len(curves(measured, p)["f"]) for p in PROTOCOLS} == {
        "pysod": 256, "diffdis": 255, "mvanet": 255, "mvanet-2024-11": 255, "mvanet-2024": 255, "isnet": 255,
        "birefnet": 256, "pdfnet": 256,
    }  # fmt: skip


def test_no_foreground_at_all_gives_0():
    scores = score([measure(*pair("no truth, typical"), "mvanet")], "mvanet")
    assert scores["f_max"] == 0


def test_a_measure_that_was_not_asked_for_says_how_to_get_it():
    plain = [measure(*pair("wheel, typical"))]
    for protocol, key, message in (
        ("pysod", "hce", r"hce under protocol pysod was not measured.*--metrics hce$"),
        ("mvanet", "s_measure", r"--protocol mvanet$"),
        ("mvanet", "hce", r"--metrics hce --protocol mvanet$"),
        ("isnet", "mae", r"mae under protocol isnet was not measured.*--protocol isnet$"),
    ):
        with pytest.raises(InputError, match=message):
            score(plain, protocol, [key])
    assert score(plain, "mvanet", ["f_max", "mae"])["mae"] > 0  # what the histograms hold is there


def test_signatures_say_what_differs():
    signatures = {p: make_signature(p, "dis5k", {"DIS-TE1": 500}).split("|")[4:] for p in PROTOCOLS}
    assert len(set(map(tuple, signatures.values()))) == len(PROTOCOLS)
    assert signatures["diffdis"] == [
        "diffdis", "pred:minmax>0.5", "gt>max/2", "thr:255", "b2:0.3", "eps:1e-08/0/0", "F:nonempty", "bins:level",
        "E:adaptive+1e-08", "S:population,+1e-08,unclamped", "wF:+1e-06", "IoU:+1e-05", "BER:+1e-08",
        "accuracy,ber:>=0.5", "size:native",
    ]  # fmt: skip
    assert "F:mean-PR+1e-08" in signatures["mvanet-2024"]
    assert signatures["pdfnet"] == [
        "pdfnet", "pred:minmax", "gt>128", "thr:256", "b2:0.3", "F:mean-PR+1e-16", "E:mean+1e-16",
        "S:population objects,+1e-16,undefined=0", "wF:+1e-16", "size:native",
    ]  # fmt: skip
    assert make_signature("mvanet", "x", {}, "pillow-bicubic:3").endswith("|size:pillow-bicubic:3")


def test_names_are_separated_by_commas():
    assert parse_protocols("mvanet,pysod,mvanet") == ("mvanet", "pysod")
    assert parse_protocols("pysod, mvanet") == ("pysod", "mvanet")
    for wrong in ("mvanet,", ""):
        with pytest.raises(InputError, match="is unknown; known: pysod, diffdis, mvanet"):
            parse_protocols(wrong)
