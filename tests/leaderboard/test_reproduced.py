"""Numbers that others than a method's authors published: their source, their checks, and every format's place."""

import csv
import io
import json
from dataclasses import replace

import openpyxl
import pytest
from click.testing import CliRunner
from fake_runs import make_run

from disbench.cli.main import main
from disbench.data.dataset import TEST_SPLITS
from disbench.leaderboard.check import check_entries
from disbench.leaderboard.entry import Citation, Entry, Reported, list_entries, read_entry, write_entry
from disbench.leaderboard.training import drop_contaminated
from disbench.reports.published import PublishedSelection
from disbench.reports.render import render_report
from disbench.reports.report import Report

OWN = {"title": "A method", "venue": "A venue 2024", "arxiv": "2401.00001"}
URL = "https://example.org/report"
OTHERS = Citation(
    title="A student's report", venue="A school 2026", arxiv="", table="Table 7", heading="A", column=1, url=URL
)


def call(*arguments, status=0):
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == status, done.output
    return done.stdout


def make_entry(**changes):
    """The entry of method A: reported with 0.900, and reproduced with 0.950."""
    own = Citation(**OWN, table="Table 1", heading="A", column=1)
    cells = {split: {"f_max": "0.900", "mae": "0.030"} for split in TEST_SPLITS}
    others = {split: {"f_max": "0.950", "mae": "0.020"} for split in TEST_SPLITS}
    parts = {
        "reported": (Reported(source=own, protocol=None, because="", printed=cells),),
        "reproduced": (Reported(source=OTHERS, protocol="diffdis", because="Its script.", printed=others),),
    }
    return Entry(model="a", title="A", dataset="DIS5K", token="dis5k", paper=OWN, **parts | changes)


@pytest.fixture
def path(tmp_path):
    board = tmp_path / "boards" / "dis5k"
    board.mkdir(parents=True)
    write_entry(board / "a.json", make_entry())
    return board / "a.json"


def test_every_shipped_row_has_a_source_that_can_be_looked_up():
    for path in list_entries("dis5k"):
        entry = read_entry(path)
        for part in entry.published:
            source = part.source
            assert source.arxiv or source.url.startswith("https://"), path
            assert all((source.title, source.venue, source.table, source.heading)), path
            assert part.protocol or part.because, path
            assert part.trained_on is not None and part.printed, path


def test_numbers_that_were_read_secondhand_say_so_and_others_do_not():
    entries = [read_entry(path) for path in list_entries("dis5k")]
    parts = [(entry.title, part) for entry in entries for part in entry.published]
    assert {title for title, part in parts if part.source.secondhand} == {"S3OD", "FlowDIS, 1 step", "FlowDIS, 2 steps"}
    for _, part in parts:
        authors = ("https://github.com/", "https://huggingface.co/ZhengPeng7/", "https://huggingface.co/PramaLLC/")
        assert part.source.secondhand or not part.source.url or part.source.url.startswith(authors)


def test_the_reproduction_of_diffdis_is_as_its_authors_printed_it():
    (part,) = read_entry(next(path for path in list_entries("dis5k") if path.stem == "diffdis")).reproduced
    keys = ("mae", "f_max", "s_measure", "iou_binary", "hce")
    assert part.protocol == "diffdis"
    assert {split: tuple(row[key] for key in keys) for split, row in part.printed.items()} == {
        "DIS-VD": ("0.0294", "0.9005", "0.9006", "0.8341", "1061"),
        "DIS-TE1": ("0.0312", "0.8785", "0.8890", "0.8133", "100"),
        "DIS-TE2": ("0.0305", "0.9068", "0.9072", "0.8423", "267"),
        "DIS-TE3": ("0.0238", "0.9322", "0.9202", "0.8712", "594"),
        "DIS-TE4": ("0.0320", "0.9058", "0.8962", "0.8333", "2747"),
    }


def test_weights_that_learned_the_test_images_are_marked_there_and_not_on_the_held_out_split():
    entry = read_entry(next(path for path in list_entries("dis5k") if path.stem == "birefnet-hr"))
    assert drop_contaminated([entry], "DIS-VD") == [entry]
    assert [drop_contaminated([entry], split) for split in TEST_SPLITS] == [[]] * 4
    assert "BiRefNet_HR  " in call("leaderboard", "show", "birefnet-hr", "--split", "DIS-VD", "--metrics", "s_measure")


def change_source(**changes):
    part = make_entry().reproduced[0]
    return {"reproduced": (replace(part, source=replace(OTHERS, **changes)),)}


def change_part(**changes):
    return {"reproduced": (replace(make_entry().reproduced[0], **changes),)}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (change_part(protocol=None), "the protocol of the script that scored it is not named"),
        (change_part(protocol="mine"), "unknown protocol 'mine'"),
        (change_part(printed={"DIS-VD": {"mae": "low"}}), "'low' (mae, DIS-VD) is not a number"),
        (change_part(trained_on="some pictures"), "neither a list of splits nor 'unstated'"),
        (change_source(url="", arxiv="2402.00002"), "the address that it was read at is missing"),
        (change_source(url="http://example.org"), "is not an https:// address"),
        (change_source(title=OWN["title"]), "the method's own paper reports its numbers"),
        (change_source(arxiv=OWN["arxiv"]), "the method's own paper reports its numbers"),
        (change_source(column=0), "columns are counted from 1"),
        ({"reported": (), "reproduced": ()}, "nothing is reported, reproduced or measured"),
    ],
)
def test_check_names_each_fault_of_a_reproduced_part(path, changes, fault):
    assert check_entries([path]) == []
    write_entry(path, make_entry(**changes))
    (line,) = check_entries([path])
    assert fault in line
    assert fault in call("leaderboard", "check", path, status=1)


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ({"arxiv": ""}, ["no source can be looked up; give an arXiv number or an address"]),
        ({"secondhand": True}, ["secondhand numbers need the address of the page that they were read at"]),
        ({"secondhand": True, "url": URL}, []),
        ({"arxiv": "", "url": URL}, []),
    ],
)
def test_check_wants_a_source_of_reported_numbers_too(path, source, faults):
    (part,) = make_entry().reported
    write_entry(path, make_entry(reported=(replace(part, source=replace(part.source, **source)),)))
    assert [line.partition("Table 1 of A method: ")[2] for line in check_entries([path])] == faults


def test_a_table_may_report_a_method_and_reproduce_another(path):
    """As a later paper does that ran its rivals; the rivals' columns do not stand among its own."""
    (part,) = make_entry().reproduced
    theirs = replace(part, source=replace(part.source, heading="B", column=2), protocol=None)
    write_entry(path.with_name("b.json"), replace(make_entry(reported=(theirs,), reproduced=()), model="b", title="B"))
    assert check_entries([path, path.with_name("b.json")]) == []
    head = call("report", "--metrics", "f_max", "--source", "Table 7", path.parent).splitlines()[2]
    assert head == "| Subset | Metric | B¹ | A² |"


def test_two_entries_cannot_claim_one_reproduction(path):
    write_entry(path.with_name("b.json"), replace(make_entry(reported=()), model="b", title="B"))
    (line,) = check_entries([path, path.with_name("b.json")])
    assert "column 1 of Table 7 is that of a.json" in line


def test_show_names_the_kind_and_the_source_of_each_row(path):
    (part,) = make_entry().reported
    secondhand = replace(part, source=replace(part.source, secondhand=True, url=URL))
    write_entry(path, make_entry(reported=(secondhand,)))
    lines = call("leaderboard", "show", path, "--split", "DIS-TE1", "--metrics", "f_max").splitlines()
    assert [line.split("  ") for line in map(" ".join, [line.split() for line in lines[1:3]])] == [
        ["A A venue 2024 reproduced example.org/report 0.950"],
        ["A A venue 2024 reported arXiv:2401.00001, secondhand 0.900"],
    ]
    assert lines[3:] == [
        "secondhand: read at a page that quotes the source.",
        "reproduced: others made the maps, and scored them with the script of the method's authors.",
    ]
    assert "secondhand" not in call("leaderboard", "show", "mvanet")


def test_the_json_of_an_entry_has_the_new_keys_only_where_they_say_something(path):
    (shown,) = json.loads(call("leaderboard", "show", path, "--json"))
    assert shown == json.loads(path.read_text("utf-8"))
    assert list(shown)[5:8] == ["reported", "reproduced", "measured"]
    assert "secondhand" not in shown["reported"][0]["source"]
    write_entry(path, make_entry(reproduced=()))
    assert "reproduced" not in json.loads(path.read_text("utf-8"))
    (quoted,) = json.loads(call("leaderboard", "show", "s3od", "--json"))
    assert quoted["reported"][0]["source"]["secondhand"] is True


def test_a_submitted_run_leaves_the_reproduction(path, tmp_path):
    run = make_run(tmp_path / "runs", "a", splits=TEST_SPLITS[:1], title="A", data=("DIS5K", "dis5k"))
    call("submit", run.folder, "--to", path.parent.parent)
    entry = read_entry(path)
    assert entry.reproduced == make_entry().reproduced
    assert len(entry.measured) == 1


def render(path, format, results=()):
    return render_report(Report(results, PublishedSelection(entries=[path]), "f_max"), format)


TEXT = "Table 7 of A student's report (A school 2026), a reproduction by others"


def test_every_format_shows_a_reproduction_as_its_own_kind(path, tmp_path):
    run = make_run(tmp_path / "runs", splits=TEST_SPLITS[:1], title="Mine", data=("DIS5K", "dis5k"))
    markdown = render(path, "markdown", [run]).replace("\\", "")
    assert "| A¹ | A² | Mine |" in markdown
    html, latex = (" ".join(render(path, format, [run]).split()) for format in ("html", "latex"))
    for text in (markdown, latex, html.replace("&#x27;", "'").replace("&#39;", "'")):
        assert f"{TEXT}." in text.replace(r"{}", "")
    records = list(csv.DictReader(io.StringIO(render(path, "csv", [run]))))
    kinds = {record["protocol"]: record["signature"] for record in records}
    assert list(kinds) == ["reported", "[2, reproduced]", "pysod"]
    assert kinds["[2, reproduced]"] == f"[2, reproduced]: {TEXT}"
    book = openpyxl.load_workbook(io.BytesIO(render(path, "xlsx", [run])))
    values = [value for row in book["Scores"].values for value in row]
    assert "A²" in values
    assert any(f"²: {TEXT}." in str(value) for value in values)


def test_a_reproduction_is_never_ranked_with_runs_or_reported_numbers(path, tmp_path):
    data = ("DIS5K", "dis5k")
    runs = [
        make_run(tmp_path / name, name, quality, splits=TEST_SPLITS[:1], title=name, data=data)
        for name, quality in (("good", 0.8), ("bad", 0.3))
    ]
    table = Report(runs, PublishedSelection(entries=[path]), "f_max").build_table(confidence=False)
    (line,) = (line for line in table.lines if line.split == "DIS-TE1")
    assert [cell.text for cell in line.cells][:2] == ["0.900", "0.950"]  # the second is the reproduction
    assert [cell.rank for cell in line.cells] == ["best", None, "second", "third"]
    assert "reproductions by others are not ranked" in table.caption
    corrected = PublishedSelection(entries=[path], corrected=True)
    assert {cell.rank for cell in Report((), corrected, "f_max").build_table().cells} == {None}


def test_reproductions_come_last_and_are_chosen_by_their_source(path):
    heads = [line for line in call("report", "--metrics", "f_max", path).splitlines() if line.startswith("| Subset")]
    assert heads == ["| Subset | Metric | A¹ | A² |"]
    alone = call("report", "--metrics", "f_max", "--source", "reproduction", path)
    assert "| Subset | Metric | A |" in alone and "a reproduction by others." in alone
    assert "0.950" in alone and "0.900" not in alone


def test_the_report_of_a_board_shows_the_five_measures_and_others_on_request():
    lines = call("report", "--format", "csv", "diffdis").splitlines()
    assert not any(",hce," in line for line in lines)
    records = list(csv.DictReader(io.StringIO(call("report", "--format", "csv", "--metrics", "hce", "diffdis"))))
    counts = {record["split"]: float(record["value"]) for record in records}
    assert counts == {"DIS-VD": 1061, "DIS-TE1": 100, "DIS-TE2": 267, "DIS-TE3": 594, "DIS-TE4": 2747}


def test_the_audit_counts_reproductions_and_names_them(path):
    assert call("leaderboard", "audit", path) == "2 tables (1 reproduced), 16 numbers, 0 findings\n"
    (part,) = make_entry().reproduced
    write_entry(path, make_entry(reproduced=(replace(part, printed=part.printed | {"Overall": {"f_max": "0.800"}}),)))
    lines = call("leaderboard", "audit", path, status=1).splitlines()
    assert lines[0] == "A student's report (A school 2026), a reproduction by others"
    assert "0.800 is printed, 0.950 follows" in lines[1]


def test_a_reproduction_on_its_training_images_is_marked_and_can_be_omitted(path):
    write_entry(path, make_entry(**change_part(trained_on=("DIS5K/DIS-TE1",))))
    shown = ("leaderboard", "show", path, "--split", "DIS-TE1", "--metrics", "f_max")
    assert "A†" in call(*shown)
    clean = call(*shown, "--clean")
    assert "reproduced" not in clean and "reported" in clean
    assert "0.950†" in call("report", "--metrics", "f_max", path)
