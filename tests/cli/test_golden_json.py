"""What programs read, as it was when it was written down: `--json`, run folders, entries, reports and the command line.

goldens/json.json has a shape for each: the names of all fields, and the type of each value. goldens/reports has a table
of fixed results in each format. goldens/commands.json has every command with its options. A new field, column or option
is added there by hand; one that goes missing breaks somebody's script.
"""

import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import click
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from fake_runs import make_run
from fixed_data import png, save, write_data
from made_results import result

from disbench import __version__
from disbench.cli.main import MOVED, main
from disbench.data.dataset import TEST_SPLITS
from disbench.reports.published import PublishedSelection
from disbench.reports.render import render_report
from disbench.reports.report import Report

GOLDENS = Path(__file__).parents[1] / "goldens"
SHAPES = json.loads((GOLDENS / "json.json").read_text("utf-8"))
FREE = ("environment", "before", "after", "memory", "doubts")  # the machine decides what is in it
# Of the standard measures; those of Otsu's maps, which are the truths, have E above 1 by 384 / 383, as in PySODMetrics.
MINE = {
    "f_max": 0.7132812500000001,
    "f_mean": 0.6569554237236285,
    "f_adaptive": 0.5,
    "f_weighted": 0.6743653932629633,
    "e_max": 0.8721962400235148,
    "e_mean": 0.7184463824177436,
    "e_adaptive": 0.6310859802244717,
    "s_measure": 0.7429598703331153,
    "mae": 0.21593137254901962,
}
OTSU = {
    "f_max": 1,
    "f_mean": 0.997042326546003,
    "f_adaptive": 1,
    "f_weighted": 1,
    "e_max": 384 / 383,
    "e_mean": 0.9996736292428177,
    "e_adaptive": 384 / 383,
    "s_measure": 1,
    "mae": 0,
}


def shape(value, name=""):
    """The names of all fields, and the types of their values; of a list, every shape among its items."""
    if name in FREE:
        return type(value).__name__
    if isinstance(value, dict):
        return {key: shape(item, key) for key, item in value.items()}
    if isinstance(value, list):
        shapes = [shape(item) for item in value]
        return [item for k, item in enumerate(shapes) if item not in shapes[:k]]
    return "null" if value is None else type(value).__name__


def printed(*arguments):
    ran = CliRunner().invoke(main, [*map(str, arguments)])
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout)


# -- JSON


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with `data` and `maps`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    write_data(tmp_path)
    return tmp_path


def test_the_json_of_score(here):
    save(here / "maps" / "a.png", png([bytes((9 * x + 13 * y) % 256 for x in range(24)) for y in range(16)], 1))
    found = printed("score", "mine=maps", "--data", "data", "--json")
    assert shape(found) == SHAPES["score"]
    assert found[0]["scores"]["data"] == pytest.approx(MINE, rel=1e-12)


def test_the_json_of_run_and_what_lies_in_its_folder(here):
    found = printed("run", "--model", "otsu", "--data", "data", "--json")
    assert shape(found) == SHAPES["run"]
    assert found[0]["scores"]["data"] == pytest.approx(OTSU, rel=1e-12)
    folder = Path(found[0]["run"])
    assert shape(json.loads((folder / "run.json").read_text())) == SHAPES["run.json"]
    for table in ("scores.parquet", "seconds.parquet"):
        assert {field.name: str(field.type) for field in pq.read_schema(folder / table)} == SHAPES[table]
        assert pq.read_schema(folder / table).names == list(SHAPES[table])
    (shard,) = (folder / "shards").glob("*.jsonl")
    assert shape(json.loads(shard.read_text().splitlines()[0])) == SHAPES["shard"]
    assert sorted(path.relative_to(folder / "masks").as_posix() for path in (folder / "masks").rglob("*.png")) == [
        "data/a.png",
        "data/b.png",
    ]


def test_the_json_of_compare(tmp_path):
    runs = [make_run(tmp_path, seed=seed, quality=quality) for seed, quality in ((0, 0.7), (1, 0.8))]
    named = [f"{title}={run.folder}" for title, run in zip("AB", runs, strict=True)]
    found = printed("compare", *named, "--metrics", "f_max,mae", "--json", "--resamples", 100)
    assert shape(found) == SHAPES["compare"]
    assert [(line["split"], line["metric"], line["n"]) for line in found] == [
        ("DIS-TE1", "f_max", 12),
        ("DIS-TE1", "mae", 12),
    ]
    for line in found:
        scores = [line["scores"][title]["value"] for title in "AB"]
        assert scores == [run.scores()["DIS-TE1"][line["metric"]] for run in runs]
        assert [one["value"] for one in line["differences"]] == [pytest.approx(scores[1] - scores[0])]


def test_the_json_of_check(tmp_path):
    run = make_run(tmp_path)
    found = printed("check", run.folder, "--against", run.folder, "--metrics", "mae", "--json")
    assert shape(found) == SHAPES["check"]


def test_the_json_of_time_and_its_file(here):
    """In a process of its own: operations are counted only where torch is loaded, as another test may have done."""
    command = ["time", "--model", "otsu", "--data", "data", "--quick", "--batch", "2", "--out", "t.json", "--json"]
    environment = os.environ | {"PYTHONPATH": str(GOLDENS.parent.parent)}
    ran = subprocess.run([sys.executable, "-m", "disbench", *command], capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert shape(found) == SHAPES["time"]
    assert shape(json.loads(Path("t.json").read_text(encoding="utf-8"))) == SHAPES["timing"]
    assert (found["file"], found["title"], found["batch"], found["quick"]) == ("t.json", "Otsu", 2, True)
    assert found["throughput"].keys() == {"1", "2"}


def test_the_fields_of_an_entry(tmp_path):
    run = make_run(tmp_path / "runs", splits=TEST_SPLITS)
    ran = CliRunner().invoke(main, ["submit", str(run.folder), "--to", str(tmp_path), "--metrics", "f_max,mae"])
    assert ran.exit_code == 0, ran.output
    path = tmp_path / "dis-mini" / "diffdis.json"
    entry = json.loads(path.read_text())
    assert shape(entry) == SHAPES["entry"]
    measured = entry["measured"][0]
    assert (path.parent / "evidence" / f"{measured['evidence'][:16]}.parquet").is_file()
    assert measured["scores"]["Overall"]["mae"][0] == run.scores()["Overall"]["mae"]
    assert shape(printed("leaderboard", "show", path, "--json")) == [SHAPES["entry"]]


def test_the_json_of_models_and_metrics():
    found = {card["name"]: card for card in printed("models", "--json")}
    assert sorted(found["diffdis"]) == SHAPES["models"]
    assert shape(printed("metrics", "f_max", "--json")) == SHAPES["metrics"]


# -- Reports


@pytest.fixture(scope="module")
def results():
    """Three methods on two subsets of three images; one lacks the second subset. No score lies between two in print."""
    splits = TEST_SPLITS[:2]
    made = [result("A", 0.91, splits), result("B|<b>", 0.87, splits), result("C & D", 0.79, splits[:1])]
    return [replace(one, signature=one.signature.replace(__version__, "VERSION")) for one in made]


def golden(name, text):
    assert text == (GOLDENS / "reports" / name).read_text("utf-8")


def alike(left, right):
    """Equal, numbers to twelve digits."""
    try:
        return float(left) == pytest.approx(float(right), rel=1e-12)
    except (TypeError, ValueError):
        return left == right


def check_rows(found, expected):
    assert len(found) == len(expected)
    for row, other in zip(found, expected, strict=True):
        assert len(row) == len(other) and all(map(alike, row, other)), (row, other)


@pytest.mark.parametrize(("format", "name"), [("markdown", "table.md"), ("latex", "table.tex"), ("typst", "table.typ")])
def test_a_table_as_text(results, format, name):
    golden(name, render_report(Report(results), format))


def test_a_published_table_as_text():
    golden("published.md", render_report(Report(published=PublishedSelection(tables=["diffdis-table-3"])), "markdown"))


def test_a_table_as_csv(results):
    found = csv.reader(io.StringIO(render_report(Report(results), "csv")))
    expected = csv.reader(io.StringIO((GOLDENS / "reports" / "table.csv").read_text("utf-8")))
    check_rows(list(found), list(expected))


def test_a_table_as_a_workbook(results):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(io.BytesIO(render_report(Report(results), "xlsx")))
    expected = json.loads((GOLDENS / "reports" / "table.xlsx.json").read_text("utf-8"))
    assert book.sheetnames == list(expected)
    for sheet in book:
        check_rows([list(row) for row in sheet.values], expected[sheet.title])


class Words(HTMLParser):
    """Headings and cells of a page, a line for each, with the classes inside cells, which mark the best scores."""

    def __init__(self):
        super().__init__()
        self.lines, self.inside, self.skipped = [], None, 0

    def handle_starttag(self, tag, attributes):
        if tag in ("script", "style", "svg"):
            self.skipped += 1
        if tag in ("title", "h1", "h2", "h3", "th", "td", "caption", "summary"):
            self.lines.append([tag, ""])
            self.inside = tag
        if self.inside:
            self.lines[-1][1] += "".join(f"[{value}] " for name, value in attributes if name == "class")

    def handle_endtag(self, tag):
        if tag in ("script", "style", "svg"):
            self.skipped -= 1
        if tag == self.inside:
            self.inside = None

    def handle_data(self, data):
        if self.inside and not self.skipped:
            self.lines[-1][1] += data


def words(page):
    parser = Words()
    parser.feed(page)
    return "".join(f"{tag}: {' '.join(text.split())}\n" for tag, text in parser.lines)


def test_the_headings_and_numbers_of_a_page(results):
    golden("page.txt", words(render_report(Report(results), "html")))


# -- The command line


def commands(group, before="", hidden=()):
    """Command -> its arguments and options, as click knows them; with the commands that the help does not list."""
    options = {}
    context = click.Context(group)
    for name in (*group.list_commands(context), *hidden):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            options |= commands(command, f"{before}{name} ")
        else:
            options[before + name] = sorted(map(described, command.params))
    return options


def described(parameter):
    """As "--save/--no-save", "--format html|latex", "--times FILE ..."; an argument by its metavar."""
    if isinstance(parameter, click.Argument):
        return parameter.metavar or f"<{parameter.name}>"
    text = "/".join([*parameter.opts, *parameter.secondary_opts])
    if isinstance(parameter.type, click.Choice):
        text += " " + "|".join(parameter.type.choices)
    elif not parameter.is_flag:
        text += " VALUE"
    return text + " ..." * parameter.multiple + " (required)" * parameter.required


def test_every_command_has_the_options_that_it_had():
    expected = json.loads((GOLDENS / "commands.json").read_text("utf-8"))
    assert commands(main, hidden=MOVED) == expected


@pytest.mark.parametrize("name", MOVED)
def test_a_command_that_moved_into_a_group_is_not_listed_at_its_old_place(name):
    assert name not in main.list_commands(click.Context(main))
    old, new = (CliRunner().invoke(main, [*words, "--help"]) for words in ([name], [MOVED[name], name]))
    assert old.exit_code == new.exit_code == 0
    assert old.stdout.partition("\n")[2] == new.stdout.partition("\n")[2]
