"""Runs of the same maps with different metrics or protocols are one method."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import call
from fake_runs import make_run
from fixed_data import write_data

from disbench.errors import InputError
from disbench.reports.publish import select_cases
from disbench.reports.report import Report
from disbench.runs.join import join_runs
from disbench.runs.result import load_run


def score(*arguments):
    ran = call("score", "--data", "data", "--json", *arguments)
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout)[0]["run"]


def read_scores(*arguments):
    """{(method, protocol, metric): score} of a report."""
    ran = call("report", "--format", "csv", *arguments)
    assert ran.exit_code == 0, ran.output
    return {
        (row["method"], row["protocol"], row["metric"]): row["value"] for row in csv.DictReader(io.StringIO(ran.stdout))
    }


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Runs of the same maps: the standard measures, HCE, and protocol diffdis; the first has kept the maps."""
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path)
    more = (("--save",), ("--metrics", "hce"), ("--protocol", "diffdis"))
    return [score("Ours=maps", *options) for options in more]


def test_a_table_has_each_measure_from_the_run_that_has_it(runs):
    plain, hce, diffdis = runs
    scores = read_scores(plain, hce, "--metrics", "f_max,hce")
    assert {key[:2] for key in scores} == {("Ours", "pysod")}
    assert scores["Ours", "pysod", "hce"] == read_scores(hce, "--metrics", "hce")["Ours", "pysod", "hce"]
    scores = read_scores("Ours=runs/Ours/*", "--metrics", "s_measure,hce")
    assert scores["Ours", "diffdis", "s_measure"] == read_scores(diffdis, "--metrics", "s_measure")[
        "Ours", "diffdis", "s_measure"
    ]
    assert {key for key, value in scores.items() if value} == {
        ("Ours", "pysod", "s_measure"),
        ("Ours", "pysod", "hce"),
        ("Ours", "diffdis", "s_measure"),
    }
    for order in (runs, runs[::-1]):
        assert len({key[:2] for key in read_scores(*order, "--protocol", "diffdis", "--metrics", "s_measure")}) == 1


def test_comparisons_and_pictures_show_one_method(runs, tmp_path):
    cv2.imwrite("maps/a.png", np.full((16, 24), 99, np.uint8))
    other = score("Other=maps", "--save")
    ran = call("compare", *runs[:2], other, "--metrics", "hce", "--json")
    assert ran.exit_code == 2 and f"{other}: hce" in ran.stderr  # of the other method only
    ran = call("compare", *runs[:2], other, "--metrics", "mae", "--json")
    assert list(json.loads(ran.stdout)[0]["scores"]) == ["Ours", "Other"]
    for arguments in (("grid", "--out", "g.html"), ("view", "--out", "v"), ("report", "--out", "r.html")):
        ran = call(*arguments, *runs[::-1], other)
        assert ran.exit_code == 0, ran.output
    page = Path("v/index.html").read_text("utf-8")
    assert '"methods": ["Ours", "Other"]' in page or '"methods":["Ours","Other"]' in page


def test_titles_keep_runs_apart_and_other_maps_are_another_method(runs):
    ran = call("report", f"A={runs[0]}", f"B={runs[1]}")
    assert "| A | B |" in ran.stdout
    cv2.imwrite("maps/a.png", np.full((16, 24), 99, np.uint8))
    changed = score("Ours=maps", "--metrics", "hce")
    ran = call("report", runs[0], changed)
    assert ran.exit_code == 2 and "two results are called 'Ours'" in ran.stderr


def test_contradictions_are_an_error(runs):
    plain, hce = map(load_run, runs[:2])
    rows = list(hce.rows["data"])

    def change(**values):
        measurement = replace(rows[1].measurement, **values)
        return replace(hce, rows={"data": [rows[0], replace(rows[1], measurement=measurement)]})

    other = change(values={**rows[1].measurement.values, "s_measure": 0.5})
    with pytest.raises(InputError, match=f"{runs[0]} and {runs[1]}: different s_measure of data/b, though maps and"):
        join_runs([plain, other])
    with pytest.raises(InputError, match="different histograms of data/b"):
        join_runs([plain, change(fg_hist=rows[1].measurement.fg_hist[::-1].copy())])
    with pytest.raises(InputError, match="measured by different kernels"):
        join_runs([plain, replace(hce, identity={**hce.identity, "kernel": "1"})])
    last_bit = np.nextafter(rows[1].measurement.values["s_measure"], 0)
    (joined,) = join_runs([plain, change(values={**rows[1].measurement.values, "s_measure": last_bit})])
    assert joined.has_metric("hce") and joined.folder == Path(runs[0])  # which has the maps


def test_what_only_another_protocol_has_is_missing_and_the_rest_keeps_its_intervals(tmp_path):
    run = make_run(tmp_path)
    rows = [
        replace(row, measurement=replace(row.measurement, values={**row.measurement.values, "hce": float(i)}))
        for i, row in enumerate(run.rows["DIS-TE1"])
    ]
    both = [replace(run, rows={"DIS-TE1": rows}).with_protocol(protocol) for protocol in ("pysod", "diffdis")]
    mae, hce = Report(both, metrics="mae,hce").build_table().lines
    assert all(cell.interval for cell in mae.cells) and hce.cells[0].interval
    assert (hce.cells[0].value, hce.cells[1].value, hce.cells[1].text) == (5.5, None, "–")


def test_the_last_place_counts_and_the_inputs_of_every_run_stay_protected(runs):
    plain, hce, diffdis = map(load_run, runs)
    between = replace(plain, title="Between")
    joined = join_runs([plain, between, hce, diffdis])
    assert [(result.title, result.protocol) for result in joined] == [
        ("Between", "pysod"),
        ("Ours", "pysod"),
        ("Ours", "diffdis"),
    ]
    moved = replace(hce, meta={**hce.meta, "maps": "elsewhere"})
    assert "elsewhere" in join_runs([plain, moved])[0].meta["inputs"]


def test_what_one_run_says_of_its_training_counts_for_all(runs):
    plain, hce = map(load_run, runs[:2])
    for stated in (["data"], "unstated"):
        trained = replace(hce, meta={**hce.meta, "trained_on": stated})
        for order in ((plain, trained), (trained, plain)):
            (joined,) = join_runs(order)
            assert joined.meta["trained_on"] == stated
    listed = replace(plain, meta={**plain.meta, "trained_on": ["data"]})
    unstated = replace(hce, meta={**hce.meta, "trained_on": "unstated"})
    assert join_runs([listed, unstated])[0].meta["trained_on"] == ["data"]


def test_pictures_have_scores_under_one_protocol(runs, tmp_path):
    by_diffdis = score("D=maps", "--protocol", "diffdis", "--save")
    by_pysod = score("P=maps", "--save")
    for order in ((by_pysod, by_diffdis), (by_diffdis, by_pysod)):
        results = [load_run(run) for run in order]
        for case in select_cases(results):
            assert len(set(case.scores.values())) == 1
    assert "the pictures have scores under diffdis" in call("grid", "--out", "g.html", by_pysod, by_diffdis).stderr
