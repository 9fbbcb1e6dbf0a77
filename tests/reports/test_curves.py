"""Curves of several methods: the numbers are those of the scores, the figure shows names as they are."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from fake_runs import make_run
from made_results import HOSTILE, MINI, result

from disbench.cli.main import main
from disbench.data.dataset import TEST_SPLITS
from disbench.errors import InputError
from disbench.metrics import scoring
from disbench.reports import curve_sets, curves, curves_figure


def drawn(results, split=None):
    return curves_figure.draw_figure(curve_sets.collect_curves(results, split))


def lines(axes):
    """The curves of a panel, without the marks."""
    return [line for line in axes.lines if len(line.get_xdata()) == 256]


def test_csv_and_json_read_back_as_the_scores():
    results = [result("A", 0.9), result(HOSTILE, 0.8)]
    curve_set = curve_sets.collect_curves(results)
    assert (curve_set.dataset, curve_set.split) == (MINI, "Overall")
    records = list(csv.DictReader(io.StringIO(curves.curves_to_csv(curve_set))))
    parsed = json.loads(curves.curves_to_json(curve_set))
    assert len(records) == 2 * 256
    for run, method in zip(results, parsed["methods"], strict=True):
        scores = run.scores()["Overall"]
        run_records = [record for record in records if record["method"] == run.title]
        assert [int(record["threshold"]) for record in run_records] == list(range(256))
        for name in curve_sets.MEASURES:
            assert [float(record[name]) for record in run_records] == method[name]
        assert max(method["f"]) == scores["f_max"]
        assert np.mean(method["e"]) == pytest.approx(scores["e_mean"], rel=1e-12)
        assert method["n"] == 12
        assert {record["signature"] for record in run_records} == {method["signature"]} == {run.signature}


def test_the_default_subset_is_overall_or_the_first_that_all_share():
    full, short = result("A"), result("B", splits=("DIS-TE2", "DIS-TE3"))
    assert curve_sets.collect_curves([full]).split == "Overall"
    assert curve_sets.collect_curves([full, short]).split == "DIS-TE2"
    assert curve_sets.collect_curves([full, short], "DIS-TE3").split == "DIS-TE3"
    with pytest.raises(InputError, match=r"Overall: B was not scored on it; .*DIS-TE2"):
        curve_sets.collect_curves([full, short], "Overall")
    with pytest.raises(InputError, match="no whole subset"):
        curve_sets.collect_curves([short, result("C", splits=("DIS-TE4",))])


def test_results_that_are_not_comparable_are_refused():
    with pytest.raises(InputError, match="DIS5K"):
        curve_sets.collect_curves([result("A"), result("B", dataset="DIS5K", token="dis5k")])


def test_three_panels_with_every_method_and_its_maximum_marked():
    results = [result("A", 0.7), result("B", 0.9), result("C", 0.8, splits=TEST_SPLITS)]
    figure = drawn(results, "DIS-TE1")
    assert len(figure.axes) == len(curve_sets.PANELS)
    for axes, measure in zip(figure.axes, ("precision", "f", "e"), strict=True):
        drawn_lines = {line.get_color(): line for line in lines(axes)}
        marks = {line.get_color(): line for line in axes.lines if len(line.get_xdata()) == 1}
        assert len(drawn_lines) == len(marks) == 3
        for colour, line in drawn_lines.items():
            assert marks[colour].get_xdata()[0] in line.get_xdata()
            if measure != "precision":
                assert marks[colour].get_ydata()[0] == line.get_ydata().max()
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [label.split()[0] for label in labels] == ["B", "C", "A"]
    assert [label.split()[1] for label in labels] == [
        f"{run.scores()['DIS-TE1']['f_max']:.3f}" for run in (results[1], results[2], results[0])
    ]
    texts = " ".join(text.get_text() for text in figure.texts)
    assert MINI in texts
    assert "DIS-TE1 · 3 images" in texts
    assert results[0].signature in texts.replace(" ", "")


def test_the_mark_on_precision_and_recall_is_where_f_is_largest(tmp_path):
    run = make_run(tmp_path)
    axes = drawn([run], "DIS-TE1").axes[0]
    (line,), (mark,) = lines(axes), [line for line in axes.lines if len(line.get_xdata()) == 1]
    values = scoring.curves(run.measurements("DIS-TE1"), "pysod", ("precision", "recall", "f", "e"))
    best = int(values["f"].argmax())
    assert best not in {int(values[other].argmax()) for other in ("precision", "recall", "e")}
    point = [values["recall"][best], values["precision"][best]]
    assert [mark.get_xdata()[0], mark.get_ydata()[0]] == pytest.approx(point, abs=1e-12)
    assert line.get_xdata().tolist() == values["recall"].tolist()
    assert line.get_ydata().tolist() == values["precision"].tolist()


def test_methods_differ_also_without_colour():
    styles = [curves_figure._mark_style(k) | curves_figure._line_style(k) for k in range(28)]
    assert len({str(style) for style in styles}) == 28
    for a, b in pairwise(styles):
        assert a["linestyle"] != b["linestyle"] and a["marker"] != b["marker"]
    figure = drawn([result(f"method {k}", 0.5 + 0.04 * k) for k in range(12)])
    assert [line.get_color() for line in lines(figure.axes[1])] == [style["color"] for style in styles[:12]]


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_a_figure_takes_any_name_and_gives_the_same_bytes(tmp_path, suffix):
    results = [
        replace(result(title, quality, dataset="$x^{"), signature=result().signature + "|$\\frac{")
        for title, quality in (("a $\\undefined$ b", 0.9), ("x$_$", 0.8), ("\x1b[31m" + "long " * 30, 0.7))
    ]
    paths = [tmp_path / f"{k}{suffix}" for k in (1, 2)]
    for path in paths:
        curves.write_curves(path, results)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    if suffix == ".png":
        picture = cv2.imread(str(paths[0]))
        assert picture.shape[1] == round(7.2 * 300)
        assert picture.std() > 10
    else:
        assert paths[0].read_bytes().startswith(b"%PDF")


def test_a_dollar_is_a_dollar():
    figure = drawn([replace(result("$x$"), dataset="$y$", signature=result().signature + "|$z$")])
    texts = [*figure.texts, *figure.legends[0].get_texts()]
    assert [text.get_text() for text in texts if "$" in text.get_text() and text.get_parse_math()] == []
    assert {"$x$", "$y$"} <= {text.get_text().split("  ")[0] for text in texts}


def test_another_suffix_is_named(tmp_path):
    with pytest.raises(InputError, match=r"c\.svg: curves are written to \.pdf"):
        curves.write_curves(tmp_path / "c.svg", [result()])


def test_the_command_draws_runs_under_titles(tmp_path, make_pairs, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = make_pairs(tmp_path / "mine", ["a", "b"])
    call = lambda *words: CliRunner().invoke(main, [str(word) for word in words])  # noqa: E731
    run = json.loads(call("run", "--model", "otsu", "--data", folder, "--json").stdout)[0]["run"]
    assert call("curves", f"before={run}", f"after={run}", "--out", "c.json").exit_code == 0
    assert [m["method"] for m in json.loads((tmp_path / "c.json").read_text())["methods"]] == ["before", "after"]
    assert call("curves", "--out", "c.csv").exit_code == 0
    assert (tmp_path / "c.csv").read_text().splitlines()[1].startswith("mine,mine,Otsu,0,")
    refused = call("curves", "--out", "c.png", "--split", "DIS-TE1")
    assert refused.exit_code == 2
    assert "DIS-TE1" in refused.stderr


def test_numbers_need_no_matplotlib():
    heavy = {"torch", "matplotlib", "pandas", "scipy.stats"}
    code = f"import sys, disbench.reports.curves; print(*{heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
