"""Scores of groups of images: which images are in a group, how a group is scored, and what cannot be grouped."""

import csv
import io
import json
from dataclasses import replace
from itertools import chain, pairwise

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from made_results import result

from disbench.cli.main import main
from disbench.data.complexity import measure_complexity
from disbench.data.images import read_truth
from disbench.errors import InputError
from disbench.metrics.scoring import score
from disbench.reports.formats import FORMATS
from disbench.reports.render import render_report
from disbench.reports.report import Report
from disbench.reports.terminal import print_results_table
from disbench.runs import api, grouping
from disbench.runs.grouping import group_images

NAMES = ["1#Tool#7#Rope#a", "1#Tool#7#Rope#b", "1#Tool#8#Overall#c", "2#Nature#3#Fern#d", "2#Nature#4#Tree#e"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def run(tmp_path, make_pairs):
    """Five images. Each is larger than the one before and has fewer lines in its ground truth."""
    folder = make_pairs(tmp_path / "mine", NAMES)
    ramp = np.linspace(0, 120, 140).astype(np.uint8)
    for k, name in enumerate(NAMES):
        truth = np.zeros((100, 100 + 10 * k), np.uint8)
        for line in range(9 - k):
            cv2.line(truth, (5 + 9 * line, 5), (15 + 9 * line, 90), 255, 3)
        cv2.imwrite(str(folder / "gt" / f"{name}.png"), truth)
        cv2.imwrite(
            str(folder / "im" / f"{name}.jpg"), np.repeat((truth // 2 + ramp[: truth.shape[1]])[..., None], 3, 2)
        )
    return api.run("otsu", data=folder, out=tmp_path / "runs")


def names_by_group(result):
    return {group: [row.name[-1] for row in rows] for group, rows in result.rows.items()}


def test_categories_are_those_of_the_names(run):
    assert names_by_group(group_images([run], "category")[0]) == {
        "Fern": ["d"],
        "Overall (category)": ["c"],
        "Rope": ["a", "b"],
        "Tree": ["e"],
    }


def test_sizes_are_equal_parts_in_ascending_order(run):
    expected = {"1/2: 0.01 to 0.012 MP": ["a", "b", "c"], "2/2: 0.013 to 0.014 MP": ["d", "e"]}
    assert names_by_group(group_images([run], "size", 2)[0]) == expected


def test_complexity_is_that_of_the_truths(run, tmp_path):
    truths = [read_truth(tmp_path / "mine" / "gt" / f"{name}.png") for name in NAMES]
    ranks = [measure_complexity(truth).rank for truth in truths]
    assert ranks == sorted(ranks, reverse=True)
    assert list(names_by_group(group_images([run], "complexity", 2)[0]).values()) == [["c", "d", "e"], ["a", "b"]]
    assert grouping.measure_complexities(run, run.rows["mine"]) == [measure_complexity(truth) for truth in truths]


def test_a_group_is_scored_by_its_own_images(run):
    by_name = {row.name: row.measurement for row in run.rows["mine"]}
    scores = group_images([run], "category")[0].scores("f_max,mae,iou_whole")
    assert scores["Rope"] == score([by_name[name] for name in NAMES[:2]], metrics="f_max,mae,iou_whole")
    assert scores["Rope"] != run.scores("f_max,mae,iou_whole")["mine"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=30), st.integers(2, 30), st.randoms())
def test_every_image_is_in_one_part_and_parts_are_in_order(sides, parts, random):
    ungrouped = result(splits=("DIS-VD",), n=len(sides))
    rows = [
        replace(row, measurement=replace(row.measurement, width=side))
        for row, side in zip(ungrouped.rows["DIS-VD"], sides, strict=True)
    ]
    ungrouped = replace(ungrouped, rows={"DIS-VD": rows})
    if parts > len(sides):
        with pytest.raises(InputError, match="cannot be cut"):
            group_images([ungrouped], "size", parts)
        return
    grouped = group_images([ungrouped], "size", parts)[0]
    assert list(grouped.rows) == sorted(grouped.rows)
    assert [int(group.split("/")[0]) for group in grouped.rows] == list(range(1, parts + 1))
    widths = [[row.measurement.width for row in rows] for rows in grouped.rows.values()]
    assert sorted(chain(*widths)) == sorted(sides)
    assert all(max(a) <= min(b) for a, b in pairwise(widths))
    assert max(map(len, widths)) - min(map(len, widths)) <= 1


def test_images_of_several_subsets_and_methods_are_grouped_alike():
    pair = [result("A", 0.9), result("B", 0.8)]
    first, second = group_images(pair, "size")
    assert [len(rows) for rows in first.rows.values()] == [3, 3, 3, 3]
    names = [[(row.split, row.name) for row in rows] for grouped in (first, second) for rows in grouped.rows.values()]
    assert names[:4] == names[4:]


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "xlsx"])
def test_every_format_shows_groups_with_their_number_of_images(run, format):
    text = render_report(Report(group_images([run, replace(run, title="B")], "category")), format)
    number = {
        "html": "Rope<small>2 images",
        "csv": ",2,disbench:",
        "json": '"n": 2',
        "model-index": '"mine Rope (2)"',
    }.get(format, "Rope (2)")
    assert number in text
    assert "by:category" in text
    if format not in ("csv", "model-index"):  # which have no caption
        assert "the category in their names" in text


def test_a_terminal_shows_groups_too(run, capsys):
    print_results_table(group_images([run], "size", 2))
    shown = capsys.readouterr().out
    for group, names in (("1/2: 0.01 to 0.012 MP (3)", NAMES[:3]), ("2/2: 0.013 to 0.014 MP (2)", NAMES[3:])):
        (row,) = (line.split() for line in shown.splitlines() if group in line)
        values = score([row.measurement for row in run.rows["mine"] if row.name in names], metrics="f_max")
        assert row[-1] == f"{values['f_max']:.3f}"
    assert "by:size/2" in shown


@pytest.mark.parametrize(
    ("results", "by", "parts", "words"),
    [
        ([result()], "colour", None, "known: complexity, size, category"),
        ([result()], "category", None, "image 0: the name holds no category"),
        ([result()], "category", 3, "parts go with"),
        ([result("A"), result("B", splits=("DIS-TE1",))], "size", None, "A has .* and B has DIS-TE1"),
        ([result("A", splits=("DIS-TE1",)), result("B", splits=("DIS-TE2",))], "size", None, "A has DIS-TE1 and B has"),
        ([result("A"), result("B", n=2)], "size", None, "different images|on the same subset"),
        ([result(meta={"data": ["nowhere"]})], "complexity", None, "DiffDIS was scored on: nowhere"),
    ],
)
def test_images_that_cannot_be_grouped_are_refused(results, by, parts, words):
    with pytest.raises(InputError, match=words):
        group_images(results, by, parts)


def test_truths_that_have_changed_are_refused(run, tmp_path):
    gt = tmp_path / "mine" / "gt"
    (gt / f"{NAMES[0]}.png").write_bytes((gt / f"{NAMES[1]}.png").read_bytes())
    cv2.imwrite(str(tmp_path / "mine" / "im" / f"{NAMES[0]}.jpg"), np.zeros((100, 110, 3), np.uint8))
    with pytest.raises(InputError, match=r"its ground truths of mine are not those that Otsu was scored on"):
        group_images([run], "complexity", 2)


@pytest.mark.parametrize("data_option", ["--data", "--truth"])
def test_the_command_groups_runs_of_saved_maps(run, tmp_path, monkeypatch, data_option):
    monkeypatch.chdir(tmp_path)
    call = lambda *words: CliRunner().invoke(main, [str(word) for word in words])  # noqa: E731
    data = ("--data", "mine") if data_option == "--data" else ("--truth", "mine/gt")
    maps = run.folder / "masks" / "mine"
    scored = json.loads(call("score", f"maps={maps}", *data, "--json").stdout)[0]["run"]
    table = call("report", scored, "--by", "complexity", "--parts", "2", "--format", "csv")
    assert table.exit_code == 0, table.output
    assert {line["split"][:4] for line in csv.DictReader(io.StringIO(table.stdout))} == {"1/2:", "2/2:"}
    page = call("report", f"a={run.folder}", f"b={run.folder}", "--by", "size", "--out", "t.html")
    assert page.exit_code == 0, page.output
    assert "data:image/webp" in (tmp_path / "t.html").read_text()
    refused = call("report", scored, "--parts", "2")
    assert (refused.exit_code, refused.stderr) == (2, "disbench: --parts needs --by\n")
