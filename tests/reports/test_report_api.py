"""`disbench.report`: what it takes, what it returns and writes, and what it refuses."""

import csv
import io

import pytest
from fake_runs import make_run

import disbench
from disbench.errors import InputError
from disbench.reports import confidence
from disbench.reports.report import Report

pytestmark = pytest.mark.usefixtures("shared_bootstraps")


@pytest.fixture
def runs(tmp_path):
    return [make_run(tmp_path / "runs", name, quality, title=name) for name, quality in (("A", 0.8), ("B", 0.5))]


def records(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_paths_results_and_titles_become_columns_in_their_order(runs):
    text = disbench.report([str(runs[1].folder), runs[0], ("Mine", runs[0].folder)], format="csv", metrics="mae")
    columns = [(record["method"], float(record["value"])) for record in records(text)]
    mae = [run.scores("mae")["DIS-TE1"]["mae"] for run in runs]
    assert columns == [("B", mae[1]), ("A", mae[0]), ("Mine", mae[0])]


def test_a_single_run_needs_no_list(runs):
    (record,) = records(disbench.report(runs[0], format="csv", metrics="mae"))
    assert (record["method"], record["split"]) == ("A", "DIS-TE1")
    assert disbench.report(runs[0].folder, format="csv", metrics="mae") == disbench.report(
        [runs[0]], format="csv", metrics="mae"
    )


def test_names_are_entries_and_published_tables():
    text = disbench.report("mvanet", format="csv", metrics="f_max", source="2410.10105")
    assert {(r["method"], r["protocol"]) for r in records(text)} == {("MVANet", "reported")}
    assert {r["split"]: r["value"] for r in records(text)}["DIS-VD"] == "0.913"
    assert "seconds" in {r["metric"] for r in records(disbench.report(["diffdis-table-4"], format="csv"))}


def test_a_report_is_written_in_the_format_of_the_suffix_and_returned(runs, tmp_path):
    out = tmp_path / "table.tex"
    text = disbench.report(runs, out=out, standalone=True)
    assert text.startswith("\\documentclass")
    assert out.read_text() == text
    assert disbench.report(runs).startswith("### ")  # Markdown without a file


def test_a_protocol_gives_a_column_for_each_of_its_names(runs):
    text = disbench.report(runs[:1], format="csv", metrics="f_max", protocol="pysod,mvanet")
    assert [record["protocol"] for record in records(text)] == ["pysod", "mvanet"]


def test_without_runs_the_latest_are_reported(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert {record["method"] for record in records(disbench.report(format="csv"))} == {"A", "B"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "docx"}, "unknown format 'docx'; known: html, latex"),
        ({"out": "table.docx"}, "no format has this suffix"),
        ({"parts": 3}, "--parts needs --by"),
        ({"format": "csv", "digits": 2}, "--digits: not in csv"),
        ({"format": "csv", "caption": "x"}, "--caption: not in csv"),
        ({"format": "model-index", "rank": "together"}, "--rank: not in model-index"),
        ({"format": "csv", "rank_all": True}, "--rank-all: not in csv"),
        ({"source": "2410.10105"}, "--source selects tables of leaderboard entries"),
        ({"corrected": True}, "--corrected is about published numbers"),
        ({"names": {"A": " "}}, "--name A=: got an empty name"),
        ({"times": ["timings"], "format": "csv"}, "only an HTML report shows times"),
        ({"protocol": "nobody"}, "nobody"),
        ({"metrics": "nothing"}, "nothing"),
    ],
)
def test_options_that_do_not_fit_are_refused(runs, options, words):
    with pytest.raises(InputError, match=words):
        disbench.report(runs, **options)


def test_published_scores_are_not_grouped():
    with pytest.raises(InputError, match="published scores have no images to group"):
        disbench.report("mvanet", by="size")


def test_the_tables_of_a_report_share_a_bootstrap_if_one_has_all_lines(runs, monkeypatch):
    bootstrapped, add_confidence = [], confidence.add_confidence

    def count(table, results):
        bootstrapped.append(table)
        return add_confidence(table, results)

    monkeypatch.setattr(confidence, "add_confidence", count)
    expected = {keys: Report(runs).build_table(keys) for keys in ("f_max,mae,s_measure", "f_max,mae", "mae,f_max")}
    bootstrapped.clear()
    report = Report(runs)
    assert {keys: report.build_table(keys) for keys in expected} == expected
    assert len(bootstrapped) == 2  # the second table is part of the first; the third has another order


def test_names_are_exchanged_once(runs):
    plain = {r["method"]: r["value"] for r in records(disbench.report(runs, format="csv", metrics="mae"))}
    for names in ({"A": "B", "B": "A"}, {"A": "B", "B": "Cc"}):
        renamed = records(disbench.report(runs, format="csv", metrics="mae", names=names))
        assert {r["method"]: r["value"] for r in renamed} == {names[name]: value for name, value in plain.items()}


@pytest.mark.parametrize("place", range(3))
def test_a_page_leaves_out_a_run_without_scores_wherever_it_stands(runs, tmp_path, place):
    other = make_run(tmp_path / "runs", "C", 0.5, title="Gone", splits=("DIS-TE2",))
    order = [*runs[:place], other, *runs[place:]]
    page = disbench.report(order, format="html", split="DIS-TE1")
    assert "Gone" not in page
    assert page == disbench.report(runs, format="html", split="DIS-TE1")
