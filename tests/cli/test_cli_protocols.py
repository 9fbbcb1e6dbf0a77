"""Several protocols, optional measures and the scores of every image, at the command line."""

import csv
import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from command import call
from image_files import write

from disbench.data.complexity import measure_complexity
from disbench.data.images import read_map, read_truth
from disbench.metrics.measurement import measure
from disbench.metrics.protocols import PROTOCOLS
from disbench.metrics.resize import resize_map
from disbench.metrics.scoring import score

EVERY = ",".join(PROTOCOLS)


@pytest.fixture
def folder(tmp_path, make_pairs, monkeypatch):
    """A data set `mine`, and `maps` of it: blurred, noisy, all of them soft."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    made = make_pairs(tmp_path / "mine", ["a", "b", "c"])
    (tmp_path / "maps").mkdir()
    for seed, truth in enumerate(sorted((made / "gt").iterdir())):
        noise = np.random.default_rng(seed).normal(0, 25, (24, 32))
        soft = cv2.GaussianBlur(read_truth(truth), (0, 0), 2) * 0.9 + noise
        write(tmp_path / "maps" / truth.name, np.clip(soft, 0, 255).astype(np.uint8))
    return made


def pairs(folder, resize=None):
    for truth in sorted((folder / "gt").iterdir()):
        mask, wanted = read_map(folder.parent / "maps" / truth.name), read_truth(truth)
        yield (mask if mask.shape == wanted.shape else resize_map(mask, wanted.shape, resize)), wanted


def scored(*arguments):
    ran = call("score", "maps", "--truth", "mine/gt", *arguments)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_protocols_stand_side_by_side_from_one_pass(folder):
    keys = "f_max,f_weighted,e_adaptive,s_measure,mae,hce"
    found = json.loads(scored("--protocol", EVERY, "--metrics", keys, "--json"))
    assert [one["protocol"] for one in found] == list(PROTOCOLS)
    assert len({one["run"] for one in found}) == 1
    assert len({one["signature"] for one in found}) == len(PROTOCOLS)
    for one in found:
        name = one["protocol"]
        expected = score([measure(*pair, name, keys) for pair in pairs(folder)], name, keys)
        assert one["scores"] == {"mine": expected}
    shown = scored("--protocol", "pysod,diffdis")
    assert "maps (pysod)" in shown
    assert "maps (diffdis)" in shown
    assert "Eᵩ m " in shown and "Eᵩ adp" in shown
    assert "|diffdis|pred:minmax>0.5|" in shown


def test_the_default_is_pysod_and_prints_as_ever(folder):
    alone = scored()
    assert "(pysod)" not in alone and "Eᵩ adp" not in alone
    assert json.loads(scored("--json")) == json.loads(scored("--protocol", "pysod", "--json"))
    assert "Eᵩ m " not in scored("--protocol", "mvanet")


@pytest.mark.parametrize("format", ["html", "latex", "markdown", "csv"])
def test_every_format_has_every_protocol(folder, format):
    found = json.loads(scored("--protocol", EVERY, "--json"))
    text = call("report", found[0]["run"], "--protocol", EVERY, "--format", format).stdout
    for one in found:
        value = one["scores"]["mine"]["f_max"]
        assert (repr(value) if format == "csv" else f"{value:.3f}") in text
        assert one["protocol"] in text
    if format == "csv":
        records = list(csv.DictReader(text.splitlines()))
        assert {(r["method"], r["protocol"]) for r in records} == {("maps", name) for name in PROTOCOLS}


def test_only_scores_of_one_protocol_are_ranked(folder):
    (folder.parent / "worse").mkdir()
    for path in (folder.parent / "maps").iterdir():
        write(folder.parent / "worse" / path.name, 255 - read_map(path))
    call("score", "maps", "worse", "--truth", "mine/gt", "--protocol", "pysod,mvanet")
    runs = [str(next((folder.parent / "runs" / name).iterdir())) for name in ("maps", "worse")]
    table = call("report", *runs, "--protocol", "pysod,mvanet", "--metrics", "mae").stdout
    (line,) = (line for line in table.splitlines() if line.startswith("| mine"))
    assert line.count("**") == 4 and line.count("<ins>") == 2
    lone = call("report", runs[0], "--protocol", "pysod,mvanet", "--metrics", "mae").stdout
    assert "**" not in lone and "In brackets: the protocol" in lone


def test_a_run_says_what_it_did_not_measure(folder):
    (plain,) = json.loads(scored("--json"))
    for arguments, said in (
        (["--metrics", "hce"], "hce under protocol pysod was not measured"),
        (["--protocol", "diffdis"], "f_weighted under protocol diffdis was not measured"),
    ):
        refused = call("report", plain["run"], *arguments)
        assert refused.exit_code == 2
        assert said in refused.stderr and plain["run"] in refused.stderr and " ".join(arguments) in refused.stderr
        assert refused.stderr.count("\n") == 1
    for format in ("html", "markdown"):  # what the histograms hold is there under any protocol
        found = call("report", plain["run"], "--protocol", EVERY, "--metrics", "f_max,iou_max", "--format", format)
        assert found.exit_code == 0, found.output
    (asked,) = json.loads(scored("--metrics", "mae,hce", "--json"))
    assert asked["run"] != plain["run"]
    assert list(asked["scores"]["mine"]) == ["mae", "hce"]
    stored = pq.read_table(f"{asked['run']}/scores.parquet").column_names
    assert {"hce", "hce_fp_points", "hce_fp_regions", "hce_fn_points", "hce_fn_regions"} <= set(stored)
    assert "hce" not in pq.read_table(f"{plain['run']}/scores.parquet").column_names
    parts = call("report", asked["run"], "--format", "csv", "--metrics", ",".join(c for c in stored if "hce" in c))
    values = {r["metric"]: float(r["value"]) for r in csv.DictReader(parts.stdout.splitlines())}
    assert values.pop("hce") == pytest.approx(sum(values.values()))


def test_a_model_is_run_for_protocols_and_optional_measures(folder):
    ran = call(
        "run", "--model", "otsu", "--data", folder, "--protocol", "mvanet,pysod", "--metrics", "hce,mae", "--json"
    )
    assert ran.exit_code == 0, ran.output
    first, second = json.loads(ran.stdout)
    assert (first["protocol"], second["protocol"]) == ("mvanet", "pysod")
    assert first["scores"]["mine"]["hce"] >= 0
    own = call("report", first["run"], "--metrics", "mae")
    assert "|mvanet|" in own.stdout  # without --protocol, the run's own
    again = call("run", "--model", "otsu", "--data", folder, "--protocol", "pysod,mvanet", "--metrics", "hce", "--json")
    assert json.loads(again.stdout)[0]["run"] == first["run"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_scores_of_every_image(folder, suffix):
    scored("--protocol", "pysod,diffdis", "--metrics", "f_max,hce", "--per-image", f"each{suffix}")
    if suffix == ".csv":
        rows = list(csv.DictReader(Path("each.csv").read_text(encoding="utf-8").splitlines()))
    else:
        rows = pq.read_table("each.parquet").to_pylist()
    assert [(r["protocol"], r["image"]) for r in rows] == [(p, i) for p in ("pysod", "diffdis") for i in "abc"]
    assert {(r["method"], r["split"], int(r["height"]), int(r["width"])) for r in rows} == {("maps", "mine", 24, 32)}
    for row, pair in zip(rows, [*pairs(folder)] * 2, strict=True):
        expected = score([measure(*pair, row["protocol"], "hce")], row["protocol"], "f_max,hce")
        expected |= asdict(measure_complexity(pair[1]))
        assert {key: float(row[key]) for key in expected} == expected
        assert not row["category"]


def test_a_second_method_takes_the_skeletons_of_the_first(folder, monkeypatch):
    first = json.loads(scored("--metrics", "hce", "--json"))[0]["scores"]
    assert len(list(Path("cache").glob("truths-*/skeleton-*.png"))) == 3
    monkeypatch.setattr("disbench.metrics.effort.skeleton", None)
    again = json.loads(scored("--metrics", "hce", "--out", "other", "--json"))[0]
    assert again["run"].startswith("other")
    assert again["scores"] == first


def test_maps_of_another_size_are_resized_only_where_the_protocol_does(folder):
    small = folder.parent / "maps" / "b.png"
    write(small, cv2.resize(read_map(small), (20, 13), interpolation=cv2.INTER_AREA))
    refused = call("score", "maps", "--truth", "mine/gt")
    assert refused.exit_code == 2
    assert "1 of another size than the truth (b.png)" in refused.stderr and "--protocol" in refused.stderr
    assert call("score", "maps", "--truth", "mine/gt", "--protocol", "mvanet,isnet").exit_code == 2
    names = ("birefnet", "mvanet", "diffdis", "mvanet-2024")
    found = json.loads(scored("--protocol", ",".join(names), "--json"))
    assert [one["size"] for one in found] == ["opencv-bilinear:1", *["pillow-bicubic:1"] * 3]
    assert len({one["run"] for one in found}) == 2
    for one, name in zip(found, names, strict=True):
        expected = [measure(*pair, name) for pair in pairs(folder, PROTOCOLS[name].resize)]
        assert one["scores"]["mine"] == score(expected, name)
        assert one["signature"].endswith(f"|size:{one['size']}")
    printed = scored("--protocol", "birefnet,mvanet")
    assert "maps: maps resized to the sizes of their ground truths (opencv-bilinear:1)" in printed
    another = call("report", found[0]["run"], "--protocol", "mvanet")
    assert another.exit_code == 2 and "resized (opencv-bilinear:1)" in another.stderr


def test_pdfnet_resizes_maps_of_which_both_sides_differ(folder):
    small = folder.parent / "maps" / "b.png"
    (height, width), mask = read_map(small).shape, read_map(small)
    write(small, cv2.resize(mask, (20, 13), interpolation=cv2.INTER_AREA))
    (found,) = json.loads(scored("--protocol", "pdfnet", "--json"))
    assert found["size"] == "opencv-bilinear-both:1"
    expected = [measure(*pair, "pdfnet") for pair in pairs(folder, "opencv-bilinear")]
    assert found["scores"]["mine"] == score(expected, "pdfnet")
    for size in ((width, 13), (20, height)):
        write(small, cv2.resize(mask, size, interpolation=cv2.INTER_AREA))
        refused = call("score", "maps", "--truth", "mine/gt", "--protocol", "pdfnet")
        assert refused.exit_code == 2 and refused.stderr.count("\n") == 1
        assert "1 with only one side of another length, which this protocol does not resize (b.png)" in refused.stderr
        (found,) = json.loads(scored("--protocol", "birefnet", "--json"))
        assert found["size"] == "opencv-bilinear:1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--protocol", "mvnet"], "protocol: 'mvnet' is unknown; known: pysod, diffdis"),
        (["--per-image", "each.txt"], "each.txt: the scores of every image go into a file .csv or .parquet"),
        (["--per-image", "no/each.csv"], "no/each.csv: there is no folder no; choose another place with --per-image"),
        (["--metrics", "hse"], "unknown metric 'hse'; did you mean mse or hce"),
    ],
)
def test_a_mistake_is_one_line(folder, arguments, said):
    result = call("score", "maps", "--truth", "mine/gt", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
