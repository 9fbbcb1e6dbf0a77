"""Scores on images that a method was trained on: marked in every format, and not ranked unless that is asked for."""

import csv
import io
import json
import re
from dataclasses import replace

import openpyxl
import pytest
import yaml
from click.testing import CliRunner
from made_results import HOSTILE, result

from disbench.cli.main import main
from disbench.leaderboard.tables import Published
from disbench.leaderboard.training import rank_clean_columns
from disbench.reports import inputs
from disbench.reports.confidence import add_confidence
from disbench.reports.options import LatexOptions
from disbench.reports.render import render_report
from disbench.reports.report import Report
from disbench.reports.suite import DataResults, make_blocks, render_suite_csv, render_suite_html, render_suite_latex
from disbench.reports.table import build_table
from disbench.reports.terminal import print_comparison, print_results_table
from disbench.stats.compare import compare

SPLITS = ("DIS-TE1", "DIS-TE2")


def trained(run, trained_on):
    return replace(run, meta=run.meta | {"trained_on": trained_on})


@pytest.fixture
def runs():
    """The first would win on both subsets and was trained on DIS-TE1; the data of the third are not stated."""
    return [
        trained(result("Seen", 0.95, SPLITS), ["DIS-Mini/DIS-TR", "DIS-Mini/DIS-TE1"]),
        trained(result("Clean", 0.90, SPLITS), ["DIS-Mini/DIS-TR"]),
        trained(result("Quiet", 0.85, SPLITS), "unstated"),
        result("Old", 0.80, SPLITS),
    ]


def marks(table, split):
    (line,) = (line for line in table.lines if (line.split, line.metric) == (split, "s_measure"))
    return [(cell.training, cell.rank) for cell in line.cells]


def test_a_contaminated_score_is_marked_and_not_ranked(runs):
    table = build_table(runs, "s_measure")
    assert marks(table, "DIS-TE1") == [
        ("contaminated", None),
        (None, "best"),
        ("unstated", "second"),
        (None, "third"),
    ]
    assert marks(table, "DIS-TE2") == [(None, "best"), (None, "second"), ("unstated", "third"), (None, None)]
    everything = build_table(runs, "s_measure", rank_all=True)
    assert marks(everything, "DIS-TE1")[:3] == [("contaminated", "best"), (None, "second"), ("unstated", "third")]
    assert "†: trained on images of this subset, not ranked." in table.caption
    assert "†: trained on images of this subset, ranked all the same." in everything.caption


def test_overall_and_groups_are_contaminated_by_any_of_their_subsets(runs):
    seen = trained(result("Seen", 0.95), ["DIS-Mini/DIS-TE3"])
    table = build_table([seen, result("Clean", 0.9)], "s_measure")
    assert [marks(table, split)[0][0] for split in ("DIS-TE2", "DIS-TE3", "Overall")] == [
        None,
        "contaminated",
        "contaminated",
    ]
    grouped = replace(runs[0], splits=("easy",), rows={"easy": runs[0].rows["DIS-TE1"]}, by="size/1")
    assert marks(build_table([grouped], "s_measure"), "easy") == [("contaminated", None)]


def test_markdown_marks_and_does_not_rank(runs):
    text = render_report(Report(runs, metrics="s_measure"), "markdown")
    assert "| 0.920† | **0.870** | <ins>0.820</ins>‡ | 0.770 |" in text
    assert "| **0.920** | <ins>0.870</ins> | 0.820‡ | 0.770 |" in text
    assert "†: trained on" in text and "‡: the training data are not stated" in text
    ranked = render_report(Report(runs, metrics="s_measure", rank_all=True), "markdown")
    assert "| **0.920**† | <ins>0.870</ins> | 0.820‡ | 0.770 |" in ranked


@pytest.mark.parametrize("intervals", [False, True])
def test_latex_marks_and_does_not_rank(runs, intervals):
    text = render_report(Report(runs, metrics="s_measure"), "latex", LatexOptions(intervals=intervals))
    assert r"& 0.920$^{\dagger}$ & \best{0.870} & \second{0.820}$^{\ddagger}$ & \third{0.770} \\" in text
    assert r"$\dagger$: trained on" in text and r"$\ddagger$: the training data" in text
    assert "U+2020" not in text


def test_csv_has_a_column_where_there_is_a_mark(runs):
    records = list(csv.DictReader(io.StringIO(render_report(Report(runs, metrics="s_measure"), "csv"))))
    assert [(r["split"], r["method"], r["training"]) for r in records] == [
        ("DIS-TE1", "Seen", "contaminated"),
        ("DIS-TE1", "Clean", ""),
        ("DIS-TE1", "Quiet", "unstated"),
        ("DIS-TE1", "Old", ""),
        ("DIS-TE2", "Seen", ""),
        ("DIS-TE2", "Clean", ""),
        ("DIS-TE2", "Quiet", "unstated"),
        ("DIS-TE2", "Old", ""),
    ]
    assert "training" not in render_report(Report([runs[1], runs[3]], metrics="s_measure"), "csv")


def test_a_workbook_marks_numbers_that_stay_numbers(runs):
    book = openpyxl.load_workbook(io.BytesIO(render_report(Report(runs, metrics="s_measure"), "xlsx")))
    seen, clean, quiet, old = book["Scores"][2][3:]
    assert [cell.number_format for cell in (seen, clean, quiet, old)] == ['0.000"†"', "0.000", '0.000"‡"', "0.000"]
    assert seen.value == pytest.approx(0.92) and not seen.font.bold and clean.font.bold
    assert any("†: trained on" in str(cell.value) for (cell, *_) in book["Scores"])
    assert [row[-1] for row in book["Records"].values][:3] == ["training", "contaminated", None]


def test_a_model_card_has_marks_as_arguments(runs):
    models = yaml.safe_load(render_report(Report(runs, metrics="s_measure"), "model-index"))["model-index"]
    marks = {
        (model["name"], part["dataset"]["split"]): part["metrics"][0]["args"].get("training")
        for model in models
        for part in model["results"]
    }
    assert (marks["Seen", "DIS-TE1"], marks["Seen", "DIS-TE2"]) == ("contaminated", None)
    assert marks["Quiet", "DIS-TE2"] == "unstated"


def test_html_marks_and_does_not_rank(runs):
    page = render_report(Report(runs, metrics="s_measure"), "html")
    pattern = r'<td data-metric="s_measure"( class="\w+")? [^>]*title="(\w+) · DIS-TE1 [^"]*"><span>[\d.]+</span>'
    cells = re.findall(pattern + r'(?:<sup class="training">(.)</sup>)?', page)
    assert set(cells) == {
        ("", "Seen", "†"),
        (' class="best"', "Clean", ""),
        (' class="second"', "Quiet", "‡"),
        ("", "Old", ""),
    }
    assert "†: trained on" in page and "trained on images of this subset · 3 images" in page


def test_a_suite_marks_in_its_three_formats(runs):
    titles = [run.title for run in runs]
    blocks = make_blocks([DataResults(title="Mini", results=runs)], titles, "s_measure")
    assert r"0.920$^{\dagger}$ & \best{0.870}" in render_suite_latex("S", blocks)
    assert '<sup class="training">†</sup>' in render_suite_html("S", blocks)
    assert render_suite_csv("S", blocks).splitlines()[1].endswith(",contaminated")
    assert "†: trained on" in render_suite_html("S", blocks)
    assert r"$\dagger$: trained on" in render_suite_latex("S", blocks)


def test_the_terminal_marks(runs, capsys):
    environment = {"environment": {"device": "cpu"}}
    print_results_table([replace(run, meta=run.meta | environment) for run in runs], "s_measure")
    out = capsys.readouterr().out
    assert "0.920†" in out and "0.820‡" in out and "†: trained on" in out


def test_hostile_names_in_training_data_reach_no_format(runs):
    hostile = trained(result(HOSTILE, 0.95, SPLITS), [HOSTILE, "DIS-Mini/DIS-TE1"])
    page = render_report(Report([hostile, *runs[1:]], metrics="s_measure"), "html")
    assert "<script>alert" not in page and '<sup class="training">†</sup>' in page
    text = render_report(Report([hostile, *runs[1:]], metrics="s_measure"), "latex")
    assert "<script>" not in text and r"0.920$^{\dagger}$" in text


@pytest.mark.parametrize("damaged", ["of some pictures", 7, {"a": 1}, [1, 2], [["DIS-Mini/DIS-TE1"]]])
def test_training_data_of_another_form_are_unstated(damaged):
    table = build_table([trained(result("A"), damaged)], "s_measure")
    assert {cell.training for cell in table.cells} == {"unstated"}


@pytest.fixture
def oracles(runs):
    """Before the others: the best, which receives ground truth, and was trained on DIS-TE1 too."""
    oracle = trained(result("Oracle", 0.99, SPLITS), ["DIS-Mini/DIS-TE1"])
    return [replace(oracle, identity={"sees_truth": True}), *runs]


def test_a_method_that_receives_ground_truth_is_marked_and_not_ranked(oracles):
    table = build_table(oracles, "s_measure")
    assert marks(table, "DIS-TE1")[:3] == [("sees_truth", None), ("contaminated", None), (None, "best")]
    assert marks(table, "DIS-TE2")[:2] == [("sees_truth", None), (None, "best")]
    everything = build_table(oracles, "s_measure", rank_all=True)
    assert marks(everything, "DIS-TE2")[0] == ("sees_truth", "best")
    assert "§: receives the ground truth, not ranked." in table.caption
    assert "§: receives the ground truth, ranked all the same." in everything.caption
    assert "§" not in build_table(oracles[1:], "s_measure").caption


def test_a_method_that_receives_ground_truth_is_marked_in_every_format(oracles, capsys):
    def render(*options):
        return render_report(Report(oracles, metrics="s_measure"), *options)

    assert "| 0.960§ | 0.920† | **0.870** |" in render("markdown")
    assert "§: receives the ground truth, not ranked." in render("markdown")
    assert r"& 0.960$^{\S}$ & 0.920$^{\dagger}$ & \best{0.870}" in render("latex")
    assert r"$\S$: receives the ground truth" in render("latex")
    (record, *_) = csv.DictReader(io.StringIO(render("csv")))
    assert (record["method"], record["training"]) == ("Oracle", "sees_truth")
    book = openpyxl.load_workbook(io.BytesIO(render("xlsx")))
    assert book["Scores"][2][3].number_format == '0.000"§"'
    page = render("html")
    assert '<sup class="training">§</sup>' in page and " · receives the ground truth · 3 images" in page
    blocks = make_blocks([DataResults(title="Mini", results=oracles)], [run.title for run in oracles], "s_measure")
    assert r"0.960$^{\S}$" in render_suite_latex("S", blocks)
    assert '<sup class="training">§</sup>' in render_suite_html("S", blocks)
    assert render_suite_csv("S", blocks).splitlines()[1].endswith(",sees_truth")
    environment = {"environment": {"device": "cpu"}}
    print_results_table([replace(run, meta=run.meta | environment) for run in oracles], "s_measure")
    out = capsys.readouterr().out
    assert "0.960§" in out and "§: receives the ground truth" in out


def test_an_entry_of_a_run_that_received_ground_truth_is_marked(board):
    path = board / "Clean.json"
    entry = json.loads(path.read_text())
    measured = {
        "protocol": "pysod",
        "signature": "-",
        "splits": {"DIS-TE1": 500},
        "truths": {},
        "scores": {"DIS-TE1": {"f_max": [0.99, None, None]}},
        "seconds": {},
        "environment": {},
        "run": {"model": "clean", "sees_truth": True},
        "finished": "",
        "evidence": "-",
    }
    path.write_text(json.dumps(entry | {"measured": [measured]}))
    show = ("leaderboard", "show", board, "--split", "DIS-TE1", "--metrics", "f_max")
    shown = call(*show)
    assert "Clean§" in shown and "Clean‡" in shown and "§: receives the ground truth." in shown
    assert "Clean§" not in call(*show, "--clean")


def test_runs_without_a_record_show_nothing_new():
    plain = build_table([result("A"), result("B", 0.8)], "s_measure")
    assert {cell.training for cell in plain.cells} == {None}
    assert "†" not in plain.caption and "‡" not in plain.caption


def test_ties_are_sought_among_ranked_methods():
    seen = trained(result("Seen", 0.95, SPLITS, n=12), ["DIS-Mini/DIS-TE1"])
    clean, equal = result("Clean", 0.9, SPLITS, n=12), result("Equal", 0.9, SPLITS, n=12)
    built = add_confidence(build_table([seen, clean, equal], "s_measure"), [seen, clean, equal])
    first = built.lines[0].cells
    alone = add_confidence(build_table([clean, equal], "s_measure"), [clean, equal]).lines[0].cells
    assert not first[0].tied and first[0].interval is not None
    assert [(c.tied, c.interval) for c in first[1:]] == [(c.tied, c.interval) for c in alone]


def published(**trained_on):
    numbers = {"Seen": "0.95", "Clean": "0.90", "Third": "0.85"}
    return Published(
        "P",
        "T",
        {method: {"DIS-TE1": {"f_max": n}, "DIS-TE2": {"f_max": n}} for method, n in numbers.items()},
        {m: {s: {"f_max": k} for s in SPLITS} for m, k in (("Seen", "best"), ("Clean", "second"))},
        trained_on,
    )


def test_a_published_table_ranks_the_clean_methods_where_one_was_contaminated():
    table = rank_clean_columns(published(Seen=("DIS5K/DIS-TE1",), Third="unstated"))
    assert [table.mark(method, "DIS-TE1", "f_max") for method in table.columns] == [None, "best", "second"]
    assert [table.mark(method, "DIS-TE2", "f_max") for method in table.columns] == ["best", "second", None]
    assert rank_clean_columns(published()).marks == published().marks


@pytest.fixture
def board(tmp_path):
    """A leaderboard of two methods, of which the better was trained on DIS-TE1."""
    for column, (name, score, trained_on) in enumerate(
        [("Seen", "0.950", ["DIS5K/DIS-TE1"]), ("Clean", "0.900", "unstated")], 1
    ):
        source = {"title": "P", "venue": "V", "arxiv": "2401.00001", "table": "T", "heading": name, "column": column}
        reported = {
            "source": source,
            "protocol": None,
            "because": "",
            "printed": {split: {"f_max": score} for split in SPLITS},
            "marks": {split: {"f_max": "best"} for split in SPLITS} if name == "Seen" else {},
            "trained_on": trained_on,
        }
        entry = {"model": name, "title": name, "dataset": "DIS5K", "token": "dis5k", "reported": [reported]}
        (tmp_path / f"{name}.json").write_text(json.dumps(entry))
    return tmp_path


def call(*arguments):
    ran = CliRunner().invoke(main, [*map(str, arguments)])
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_the_command_report_marks_entries_and_ranks_all_if_asked(board):
    text = call("report", board)
    assert "| DIS-TE1 | Fᵦ max ↑ | 0.950† | **0.900**‡ |" in text
    assert "| DIS-TE2 | Fᵦ max ↑ | **0.950** | 0.900‡ |" in text
    ranked = call("report", "--rank-all", board)
    assert "**0.950**†" in ranked and "ranked all the same" in ranked


def test_leaderboard_show_marks_and_clean_filters(board):
    shown = call("leaderboard", "show", board, "--split", "DIS-TE1", "--metrics", "f_max")
    assert "Seen†" in shown and "Clean‡" in shown and "†: trained on" in shown
    clean = call("leaderboard", "show", board, "--split", "DIS-TE1", "--metrics", "f_max", "--clean")
    assert "Seen" not in clean and "Clean‡" in clean
    other = call("leaderboard", "show", board, "--split", "DIS-TE2", "--metrics", "f_max", "--clean")
    assert "Seen " in other
    entries = json.loads(call("leaderboard", "show", board, "--split", "DIS-TE1", "--clean", "--json"))
    assert [entry["title"] for entry in entries] == ["Clean"]


@pytest.mark.parametrize(
    ("trained_on", "fault"),
    [
        ("some pictures", "neither a list of splits nor 'unstated'"),
        (["DIS5K/DIS-TE9"], "'DIS5K/DIS-TE9' is not a split of DIS5K"),
        (["<b>"], "'<b>' is not the name of a split"),
    ],
)
def test_check_finds_faults_of_training_data(board, trained_on, fault):
    path = board / "Seen.json"
    entry = json.loads(path.read_text())
    entry["reported"][0]["trained_on"] = trained_on
    path.write_text(json.dumps(entry))
    ran = CliRunner().invoke(main, ["leaderboard", "check", str(path)])
    assert ran.exit_code == 1
    assert fault in ran.output


def test_a_comparison_names_methods_that_were_trained_on_the_subset(runs, monkeypatch, capsys):
    everything = compare(runs, "s_measure", resamples=100)
    assert [line.marks for line in everything] == [{"Seen": "contaminated"}, {}]
    print_comparison(everything, 100, 0)
    assert capsys.readouterr().out.splitlines()[-1] == "Seen was trained on images of DIS-TE1."
    print_comparison(compare(runs[1:], "s_measure", resamples=100), 100, 0)
    assert "was trained on" not in capsys.readouterr().out


def test_a_comparison_names_methods_that_receive_ground_truth(runs, capsys):
    cheat = replace(runs[1], identity={**runs[1].identity, "sees_truth": True})
    lines = compare([runs[0], cheat], "s_measure", resamples=100)
    assert lines[1].marks == {cheat.title: "sees_truth"}
    print_comparison(lines, 100, 0)
    assert capsys.readouterr().out.splitlines()[-1] == f"{cheat.title} receives the ground truth."


def test_the_json_of_a_comparison_has_the_key_only_where_a_method_is_contaminated(runs, monkeypatch):
    monkeypatch.setattr(inputs, "load_inputs", lambda arguments: runs)
    ran = CliRunner().invoke(main, ["compare", "A", "B", "--metrics", "s_measure", "--json", "--resamples", "100"])
    first, second = json.loads(ran.stdout)
    assert (first["split"], first["marks"]) == ("DIS-TE1", {"Seen": "contaminated"})
    assert second["split"] == "DIS-TE2" and "marks" not in second
