"""My run is the last one named, or --focus NAME: the same rule in compare, grid, HTML report and viewer."""

import json
import re
from pathlib import Path

import pytest
from command import call

import disbench


@pytest.fixture(autouse=True)
def runs(tmp_path, make_pairs, monkeypatch):
    """Runs of three methods with saved maps: All foreground, Otsu and Mine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    folder = make_pairs(tmp_path / "data", ["a", "b", "c"])
    for model in ("all_foreground", "otsu"):
        disbench.run(model, data=folder)
    disbench.score_maps(folder / "gt", title="Mine", data=folder, save_maps=True)


def shown(*arguments):
    ran = call(*arguments, "all_foreground", "otsu", "Mine")
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def of_compare(focus):
    (line,) = json.loads(shown("compare", "--metrics", "mae", "--json", *focus))
    (mine,) = {difference["method"] for difference in line["differences"]}
    assert list(line["scores"])[-1] == mine
    difference = line["differences"][0]
    values = {title: score["value"] for title, score in line["scores"].items()}
    assert difference["value"] == pytest.approx(values[mine] - values[difference["reference"]])
    assert f"Differences: {mine} minus the method of the line." in shown("compare", "--metrics", "mae", *focus)
    return mine


def of_grid(focus):
    shown("grid", "--out", "grid.html", *focus)
    return re.search("<h1>(.*), case by case</h1>", Path("grid.html").read_text("utf-8"))[1]


def of_html(focus):
    shown("report", "--out", "report.html", *focus)
    page = Path("report.html").read_text("utf-8")
    methods = json.loads(re.search(r'"methods": ?(\[.*?\])', page)[1])
    assert f"ordered by the F-measure of {methods[-1]}." in page
    return methods[-1]  # whose worst images are listed first


def of_view(focus):
    shown("view", "--out", "view", *focus)
    page = Path("view/index.html").read_text("utf-8")
    return json.loads(re.search(r'"methods": ?(\[.*?\])', page)[1])[-1]  # which view.js opens as A


@pytest.mark.parametrize("find_focus", [of_compare, of_grid, of_html, of_view])
def test_the_method_of_interest_is_the_last_or_the_one_in_focus(find_focus):
    assert find_focus(()) == "Mine"
    assert find_focus(("--focus", "All foreground")) == "All foreground"
    assert find_focus(("--focus", "otsu")) == "Otsu"  # by its folder


def test_without_runs_it_is_the_one_that_ended_last():
    assert call("report").stdout.splitlines()[2].endswith("| Mine |")
    assert call("report", "--focus", "Otsu").stdout.splitlines()[2].endswith("| Mine | Otsu |")
