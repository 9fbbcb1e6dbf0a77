"""Reports from leaderboard entries: the paper's Table 2 cell for cell, corrected on request, and runs beside it."""

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from fake_runs import make_run
from table_cells import intervals, tied

from disbench.cli.main import main
from disbench.data.dataset import TEST_SPLITS
from disbench.errors import InputError
from disbench.leaderboard.entry import Citation, Entry, Reported, find_entries, list_entries, read_entry, write_entry
from disbench.reports import confidence, table
from disbench.reports.formats import FORMATS
from disbench.reports.inputs import load_inputs
from disbench.reports.options import LatexOptions, MarkdownOptions
from disbench.reports.published import PublishedSelection, add_published, shipped_tables, tables_of_entries
from disbench.reports.render import render_report
from disbench.reports.report import Report
from disbench.stats.compare import compare

pytestmark = pytest.mark.usefixtures("shared_bootstraps")

TESTS = Path(__file__).parent.parent
REPORTS = TESTS.parent / "reports"
HOSTILE = r'<script>alert(1)</script> #&_%${}~^\|`*"--' + "'β中"


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def path_title(path):
    return json.loads(path.read_text("utf-8"))["title"]


def golden():
    with (TESTS / "goldens" / "table2.csv").open() as file:
        return {
            (row["subset"], row["metric"], row["method"]): (row["printed"], row["marked"])
            for row in csv.DictReader(file)
        }


def latex_cells(text):
    """(subset, metric, method) -> (digits, mark) of a table in LaTeX, in the order of its columns.

    Signs of training data and missing cells are dropped.
    """
    symbols = {
        r"F_\beta^{max}": "f_max",
        r"F_\beta^{\omega}": "f_weighted",
        r"E_\phi^{m}": "e_mean",
        "S_m": "s_measure",
    }
    symbols[r"\mathcal{M}"] = "mae"
    cells, head, subset = {}, [], None
    for line in re.sub(r"\$\^\{\\(ddagger|S|dagger)\}\$", "", text).splitlines():
        if start := re.fullmatch(r"Subset & Metric & (.*) \\\\", line):
            names = re.sub(r"\\rotatebox\{90\}\{(.*?\$|[^{}]*)\}", r"\1", start[1])
            head = re.sub(r"\$\^\{(\d+)\}\$", r" [\1]", names).split(" & ")
        elif re.fullmatch(r"DIS-\w+|Overall", line):
            subset = line
        elif row := re.match(r"  & \$(.*) \\(?:up|down)arrow\$ & (.*) \\\\", line):
            for method, cell in zip(head, row[2].split(" & "), strict=True):
                if cell == r"\textendash{}":
                    continue
                mark, digits = re.fullmatch(r"(?:\\(best|second|third)\{)?([\d.]+)\}?", cell).groups()
                cells[subset, symbols[row[1]], method] = digits, mark or ""
    return cells


def test_latex_has_table_2_cell_for_cell_in_its_order():
    cells = latex_cells(call("report", "--format", "latex", "--source", "2410.10105", "dis5k").stdout)
    expected = golden()
    assert cells == expected
    options = ("--layout", "columns", "--rank", "by-source")
    all_cells = latex_cells(call("report", "--format", "latex", *options, *list_entries("dis5k")).stdout)
    first = {(*key[:2], key[2].removesuffix(" [1]")): cell for key, cell in all_cells.items() if "[1]" in key[2]}
    assert first == expected
    later = {key[2].split(" [")[0].replace("\\_", "_") for key in all_cells if "[1]" not in key[2]}
    assert later == {path_title(path) for path in list_entries("dis5k")} - {key[2] for key in expected} | {"DiffDIS"}
    # The windows of LawDIS-R were chosen by the ground truth, so it is not ranked.
    assert all_cells["DIS-TE4", "f_max", "LawDIS-R [2]"] == ("0.932", "")
    assert all_cells["DIS-TE4", "f_max", "LawDIS-S [2]"] == ("0.926", "best")
    assert list(dict.fromkeys(method for _, _, method in cells)) == list(dict.fromkeys(m for _, _, m in expected))
    assert list(dict.fromkeys(key[:2] for key in cells)) == list(dict.fromkeys(key[:2] for key in expected))


def test_a_corrected_table_differs_where_the_audit_says():
    text = call("report", "--format", "latex", "--corrected", "--source", "2410", "dis5k").stdout
    cells, printed = latex_cells(text), golden()
    assert {key: cell for key, cell in cells.items() if cell != printed[key]} == {
        ("DIS-TE4", "s_measure", "IFA"): ("0.811", ""),
        ("DIS-TE4", "s_measure", "PGNet"): ("0.841", ""),
        ("DIS-TE4", "s_measure", "InSPyReNet"): ("0.905", "best"),
        ("DIS-TE4", "s_measure", "DiffDIS"): ("0.896", ""),
        ("Overall", "f_weighted", "MVANet"): ("0.861", ""),
        ("Overall", "e_mean", "DiffDIS"): ("0.951", "best"),
    }
    assert "corrected where it contradicts itself" in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex")
@pytest.mark.parametrize("name", ["dis5k", "diffdis-table-4"])
def test_the_table_fits_its_pages(tmp_path, name):
    call("report", "--standalone", "--out", tmp_path / "t.tex", name)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert ("(1 page" in done.stdout) == (name != "dis5k")  # whose 30 methods would be too small on one
    assert "Overfull" not in done.stdout and "Float too large" not in done.stdout


@pytest.mark.parametrize("format", ["html", "latex", "markdown", "csv"])
def test_reports_of_the_repository_are_not_stale(format):
    """Remedy: the commands of "Rendered files" in docs/leaderboard.md."""
    path = REPORTS / f"dis5k{FORMATS[format].suffix}"
    report = Report(published=PublishedSelection(entries=list_entries("dis5k")))
    options = LatexOptions(standalone=True) if format == "latex" else None
    assert path.read_text() == render_report(report, format, options)


@pytest.mark.parametrize("name", shipped_tables())
def test_a_published_table_is_found_by_its_name_cell_for_cell(name):
    published = shipped_tables()[name]
    printed = {
        (method, subset, metric): float(text)
        for method, cells in published.columns.items()
        for subset, row in cells.items()
        for metric, text in row.items()
    }
    records = list(csv.DictReader(io.StringIO(call("report", "--format", "csv", name).stdout)))
    assert {(r["method"], r["split"], r["metric"]): float(r["value"]) for r in records} == printed
    assert {r["n"] for r in records if r["split"] == "not stated"} <= {""}


def test_a_published_table_of_one_subset_has_methods_as_lines_in_every_format():
    published = shipped_tables()["diffdis-table-4"]
    assert [metric for _, metric in published.lines] == ["f_max", "e_mean", "s_measure", "mae", "seconds"]
    texts = {f: call("report", "--format", f, "diffdis-table-4").stdout for f in ("latex", "markdown", "html")}
    forms = {"latex": (r"\best{%s}", " & ", r" \\"), "markdown": ("**%s**", " | ", " |")}
    for format, (best, between, end) in forms.items():
        text = texts[format].replace(r"$^{\ddagger}$", "").replace("‡", "")
        for method in published.columns:
            lines = (line.removeprefix("| ") for line in text.splitlines())
            row = next(line for line in lines if line.startswith(method + between))
            expected = [
                best % published.text(method, *line) if published.mark(method, *line) else published.text(method, *line)
                for line in published.lines
            ]
            assert row.removesuffix(end).split(between)[1:] == expected
    shown = re.findall(r'<td data-metric="(\w+)"( class="best")?[^>]*><span>([\d.]+)</span>', texts["html"])
    cells = [(m, s, metric) for m in published.columns for s, metric in published.lines]
    assert [(k, bool(mark), text) for k, mark, text in shown] == [
        (cell[2], published.mark(*cell) == "best", published.text(*cell)) for cell in cells
    ]
    assert "second underlined" not in texts["markdown"]


def test_published_tables_stand_next_to_each_other_and_a_run(tmp_path):
    run = make_run(tmp_path, splits=("DIS-VD",), title="Mine", data=("DIS5K", "dis5k"))
    text = call("report", "diffdis-table-4", "diffdis-table-5", run.folder).stdout
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert [row.split(" | ")[0] for row in (rows[0], rows[6], rows[8])] == [
        "| from scratch, one step¹",
        "| with edges and DBIA²",
        "| Mine",
    ]
    assert rows[8].split(" | ")[1] == f"{run.scores()['DIS-VD']['f_max']:.3f}"
    assert rows[8].split(" | ")[5] == rows[6].split(" | ")[5] == "–"
    assert call("report", "--format", "html", "diffdis-table-4", run.folder).exit_code == 0
    assert call("report", "--metrics", "hce", "diffdis-table-3").exit_code == 2
    for wrong in ("diffdis-table-2", "nothing"):
        unknown = call("report", wrong)
        assert (unknown.exit_code, unknown.stderr.count("\n")) == (2, 1)
        assert "diffdis-table-1, diffdis-table-3, diffdis-table-4" in unknown.stderr


def test_methods_and_metrics_are_chosen_by_name():
    text = call("report", "--format", "csv", "--metrics", "mae", "mvanet", "diffdis").stdout
    records = list(csv.DictReader(io.StringIO(text)))
    assert {(r["method"], r["metric"], r["protocol"]) for r in records} == {
        ("MVANet", "mae", "reported"),
        ("DiffDIS", "mae", "reported"),
        ("DiffDIS", "mae", "[2, reproduced]"),
    }
    assert len(records) == 6 + 6 + 5
    assert records[0]["n"] == "470"


@pytest.fixture
def measured(tmp_path):
    """MVANet's entry with a measured part on two subsets, and the run behind it."""
    board = tmp_path / "boards" / "dis5k"
    board.mkdir(parents=True)
    for path in list_entries("dis5k"):
        shutil.copy(path, board)
    run = make_run(tmp_path / "runs", "mvanet", splits=TEST_SPLITS[:2], title="MVANet", data=("DIS5K", "dis5k"))
    assert call("submit", run.folder, "--to", board.parent).exit_code == 0
    return board, run


def test_measured_columns_stand_next_to_reported_columns_and_are_ranked_apart(measured):
    board, run = measured
    runs, data = board.parent / "runs", ("DIS5K", "dis5k")
    other = make_run(runs, "isnet", 0.4, splits=TEST_SPLITS[:2], title="IS-Net", data=data)
    text = call("report", board / "mvanet.json", board / "diffdis.json", other.folder).stdout
    head, _, first = (line.split(" | ") for line in text.splitlines()[2:5])
    assert head[2:] == ["MVANet¹", "DiffDIS¹", "DiffDIS²", "MVANet", "IS-Net |"]
    assert first[2:] == ["<ins>0.913</ins>", "**0.918**", "0.9005‡", "–", "– |"]
    te1 = next(line.split(" | ") for line in text.splitlines() if line.startswith("| DIS-TE1"))
    assert te1[2:6] == ["<ins>0.893</ins>", "**0.903**", "0.8785‡", f"{run.scores()['DIS-TE1']['f_max']:.3f}"]
    assert "Measured (without a number): protocol pysod; published: the protocols of their authors." in text
    assert "²: Table 1 of Adapting DiffDIS" in text and "a reproduction by others" in text
    assert text.count("Signature (MVANet, IS-Net):") == 1
    apart = call("report", "--rank", "by-source", board / "mvanet.json", board / "diffdis.json", other.folder).stdout
    te1 = next(line.split(" | ") for line in apart.splitlines() if line.startswith("| DIS-TE1"))
    assert te1[2:6] == ["<ins>0.893</ins>", "**0.903**", "0.8785‡", f"**{run.scores()['DIS-TE1']['f_max']:.3f}**"]


def test_runs_on_another_data_set_are_not_reported_with_entries(tmp_path):
    run = make_run(tmp_path)
    result = call("report", "mvanet", run.folder)
    assert result.exit_code == 2
    assert "make one report for each data set" in result.stderr
    mini = call("report", "dis-mini", "mvanet")
    assert (mini.exit_code, "make one report" in mini.stderr) == (2, True)
    assert call("report", "--by", "size", "mvanet").exit_code == 2
    assert "none of the tables" in call("report", "--source", "1234", "mvanet").stderr


def test_intervals_and_ties_are_shown(tmp_path):
    kinds = (("A", 0.8, 0), ("B", 0.79, 4), ("C", 0.3, 5))
    runs = [make_run(tmp_path, name, quality, title=name, seed=seed) for name, quality, seed in kinds]
    built = confidence.add_confidence(table.build_table(runs, "mae"), runs)
    ends, ties = intervals(built), tied(built)
    assert set(ends) == {("DIS-TE1", "mae", i) for i in range(3)}
    (tie,) = ties
    best = min(range(3), key=lambda i: runs[i].scores()["DIS-TE1"]["mae"])
    assert tie[2] == ({0, 1} - {best}).pop()
    low, high = ends[tie]
    row = render_report(Report(runs, metrics="mae"), "markdown", MarkdownOptions(intervals=True)).splitlines()[4]
    assert f" ≈ [{low:.3f}, {high:.3f}]" in row
    tex = render_report(Report(runs, metrics="mae"), "latex", LatexOptions(intervals=True))
    assert re.search(r"\\tied\{\\second\{0\.\d+\}\}" + re.escape(rf"\ci{{{low:.3f}}}{{{high:.3f}}}"), tex)
    assert r"\providecommand{\tied}" in tex
    assert "[" not in render_report(Report(runs, metrics="mae"), "markdown").splitlines()[4]
    records = list(csv.DictReader(io.StringIO(render_report(Report(runs, metrics="mae"), "csv"))))
    assert [(float(r["low"]), float(r["high"])) for r in records] == [ends["DIS-TE1", "mae", i] for i in range(3)]


def test_intervals_and_ties_are_those_of_a_comparison_within_each_protocol(tmp_path):
    kinds = (("A", 0.8, 0), ("B", 0.79, 4), ("C", 0.3, 5))
    runs = [make_run(tmp_path, name, quality, title=name, seed=seed) for name, quality, seed in kinds]
    protocols = ("pysod", "mvanet")
    results = [run.with_protocol(protocol) for run in runs for protocol in protocols]
    built = confidence.add_confidence(table.build_table(results, "f_max,mae"), results)
    ends, ties = intervals(built), tied(built)
    assert len(ends) == 2 * 6
    expected_ties = {}
    for protocol in protocols:
        for line in compare([run.with_protocol(protocol) for run in runs], "f_max,mae"):
            for title, score in line.scores.items():
                column = built.columns.index((title, protocol))
                assert ends["DIS-TE1", line.metric, column] == pytest.approx((score.low, score.high), abs=1e-9)
                expected_ties["DIS-TE1", line.metric, column] = score.tied and not score.best
    assert ties == {place for place, is_tied in expected_ties.items() if is_tied}
    assert len(ties) == 4  # a tie in each line of each protocol
    apart = [runs[0].with_protocol("pysod"), runs[1].with_protocol("mvanet")]
    built = confidence.add_confidence(table.build_table(apart, "f_max,mae"), apart)
    assert tied(built) == set()  # neither has a rival of its own protocol
    ours = {(metric, 0): ends["DIS-TE1", metric, 0] for metric in ("f_max", "mae")}
    theirs = {(metric, 1): ends["DIS-TE1", metric, 3] for metric in ("f_max", "mae")}
    assert {(metric, i): pair for (_, metric, i), pair in intervals(built).items()} == ours | theirs


def test_the_fullest_table_comes_first(tmp_path):
    for model, titles in (("a", ["Table 1"]), ("b", ["Table 2"]), ("c", ["Table 2"])):
        paper = {"title": "A paper", "venue": "A venue", "arxiv": "2410.10105"}
        sources = [Citation(**paper, table=title, heading=model.upper(), column=ord(model)) for title in titles]
        printed = {"DIS-VD": {"mae": "0.029"}}
        reported = tuple(Reported(source=source, protocol=None, because="", printed=printed) for source in sources)
        entry = Entry(model=model, title=model.upper(), dataset="DIS5K", token="dis5k", reported=reported)
        write_entry(tmp_path / f"{model}.json", entry)
    entries = sorted(tmp_path.glob("*.json"))
    first, second = tables_of_entries(entries)
    assert (first.table, list(first.columns)) == ("Table 2", ["B", "C"])
    assert (second.table, list(second.columns)) == ("Table 1", ["A"])
    records = list(csv.DictReader(io.StringIO(call("report", "--format", "csv", *entries).stdout)))
    assert [record["method"] for record in records] == ["B", "C", "A"]


def test_tables_of_two_papers_have_different_headings():
    from disbench.leaderboard.tables import Published

    cells = {"DIS-VD": {"mae": "0.029"}}
    two = [Published(paper, "Table 1", {"A": cells}, {"A": {"DIS-VD": {"mae": "best"}}}) for paper in ("One", "Two")]
    built = add_published(two, "DIS5K", [])
    assert built.methods == ("A¹", "A²")
    assert built.caption.endswith("¹: Table 1 of One. ²: Table 1 of Two.")
    assert built.provenance == []


def test_names_and_numbers_from_outside_are_escaped_or_refused(tmp_path):
    path = tmp_path / "x.json"
    content = json.loads(list_entries()[0].read_text()) | {"model": "x", "title": HOSTILE}
    content["reported"][0]["source"]["title"] = HOSTILE
    path.write_text(json.dumps(content))
    report = Report(published=PublishedSelection(entries=find_entries([str(path)])))
    texts = {format: render_report(report, format) for format in ("html", "latex", "markdown", "csv")}
    assert "<script>alert" not in texts["html"] + texts["markdown"]
    assert r"\textless{}script\textgreater{}" in texts["latex"]
    assert next(csv.DictReader(io.StringIO(texts["csv"])))["method"] == HOSTILE
    for kind in ("printed", "marks"):
        bad = json.loads(json.dumps(content))
        bad["reported"][0][kind].setdefault("DIS-VD", {})["mae"] = r"input{x}"
        path.write_text(json.dumps(bad))
        with pytest.raises(InputError, match="leaderboard check"):
            render_report(Report(published=PublishedSelection(entries=[path])), "latex")


def test_an_entry_that_measured_nothing_gives_no_results(tmp_path):
    write_entry(tmp_path / "a.json", read_entry(list_entries()[0]))
    with pytest.raises(InputError, match="nothing was measured"):
        load_inputs([(None, tmp_path / "a.json")])
