"""Names from outside, in files, folders and titles: whole in every report, and inert there."""

import csv
import json
from html import unescape
from pathlib import Path

import pytest
from hostile import accepted, call, data_set, files, refused

from disbench.errors import escape_csv_formula
from disbench.reports import latex, markdown

NAMES = {
    "newline": "a\nb",
    "carriage return": "\r=1",
    "tab": "a\tb",
    "escape sequence": "\x1b[31mred",
    "right to left": "a\u202etxt",
    "line separator": "a\u2028b",
    "dots": "a..x",
    "quotes": "'a\"b",
    "html": "<script>alert(1)<&>",
    "end of script": "<!--<script>",
    "latex": r"\input{x}$&%#_^~",
    "markdown": "a|b`c*_[d](e)",
    "jinja": "{{7*7}}((( 7*7 )))",
    "rich": "[/x][red]",
    "formula =": "=cmd|' C'!A0",
    "formula +": "+1",
    "formula -": "-1",
    "formula @": "@SUM(A1)",
    "comma": 'a,"b";c',
    "long": "x" * 240,
    "not Latin": "日本語β",
    "Overall": "Overall",
}
AS_TITLE = [key for key, name in NAMES.items() if "=" not in name]  # which ends a title
AS_FILE = {key: name.replace("/", "_") for key, name in NAMES.items()}
FORMULA = ("=", "+", "-", "@", "\t")
NAMED = ("dataset", "split", "method", "image", "category")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def inert_csv(path, column, name):
    """The name in a column of a file that no spreadsheet finds a formula in."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert not any(
        "\r" in value or (key in NAMED and value.startswith(FORMULA)) for row in rows for key, value in row.items()
    )
    plain = name.replace("\r", "\\r")
    assert (f"'{plain}" if plain.startswith(FORMULA) else plain) in {row[column] for row in rows}


@pytest.mark.parametrize("first", FORMULA)
def test_a_cell_that_begins_as_a_formula_gets_an_apostrophe(first):
    assert escape_csv_formula(f"{first}=1") == f"'{first}=1"
    assert escape_csv_formula(f"1{first}") == f"1{first}"


def test_a_character_reference_stays_text_in_markdown():
    assert markdown.escape_markdown("&lt;") == r"\&lt;"


def reports(run, title, name):
    """Every format, through the command; `title` is the method's, `name` an image's."""
    for form in ("html", "latex", "markdown", "csv"):
        accepted(call("report", run, "--format", form, "--out", f"report.{form}"))
    page = Path("report.html").read_text(encoding="utf-8")
    assert page.count("<script") == 2
    assert page.count("</script") == 2
    assert f"{title}</th>" in unescape(page)
    start = page.index('id="image-scores">') + len('id="image-scores">')
    assert name in {image for _, image in json.loads(page[start : page.index("</script", start)])["images"]}
    assert latex.escape_latex(title) in Path("report.latex").read_text(encoding="utf-8")
    lines = Path("report.markdown").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("| Subset") for line in lines) == 1
    inert_csv("report.csv", "method", title)
    accepted(call("curves", run, "--out", "curves.csv"))
    inert_csv("curves.csv", "method", title)


def scored(*arguments):
    result = accepted(call("score", "--json", *arguments))
    (one,) = json.loads(result.stdout)
    assert Path(one["run"]).resolve().is_relative_to(Path("runs").resolve())
    return one


@pytest.mark.parametrize("what", AS_TITLE)
def test_as_a_title(what):
    title = NAMES[what]
    data_set("d")
    one = scored("--data", "d", "--per-image", "each.csv", "--", f"{title}=d/maps")
    assert one["title"] == title
    reports(one["run"], title, "b")
    inert_csv("each.csv", "method", title)
    shown = accepted(call("score", "--data", "d", "--", f"{title}=d/maps")).stdout
    assert "\x1b" not in shown


@pytest.mark.parametrize("what", AS_FILE)
def test_as_a_file(here, what):
    name = AS_FILE[what]
    data_set("d", name)
    before = files("d")
    one = scored("T=d/maps", "--data", "d", "--per-image", "each.csv")
    reports(one["run"], "T", name)
    inert_csv("each.csv", "image", name)
    accepted(call("data", "complexity", "d", "--csv", "complexity.csv"))
    inert_csv("complexity.csv", "image", name)
    accepted(call("data", "complexity", "d", "--parts", "2", "--out", "parts"))
    accepted(call("data", "freeze", "--data", "d", "--out", "frozen.json"))
    accepted(call("data", "verify", "--data", "d", "--against", "frozen.json"))
    assert files("d") == before


@pytest.mark.parametrize("what", AS_FILE)
def test_as_a_folder(here, what):
    name = AS_FILE[what]
    data_set(f"d/{name}")
    Path("m").mkdir()
    maps = Path(f"d/{name}/maps").rename(f"m/{name}")
    if name == "Overall":
        refused(call("score", maps, "--data", f"d/{name}"), "give it another name")
        return
    one = scored(maps, "--data", f"d/{name}")
    assert (one["dataset"], one["title"]) == (name, name)
    for form in ("html", "csv"):
        accepted(call("report", one["run"], "--format", form, "--out", f"report.{form}"))
    assert Path("report.html").read_text(encoding="utf-8").count("</script") == 2
    inert_csv("report.csv", "dataset", name)
    assert "\x1b" not in accepted(call("score", maps, "--data", f"d/{name}")).stdout


@pytest.mark.parametrize("title", ["../../up", "/etc/passwd", "..", ".", "a/../../b", "..\\up", "~root", "$HOME"])
def test_no_title_leaves_the_folder_of_runs(title):
    data_set("d")
    assert scored(f"{title}=d/maps", "--data", "d")["title"] == title
    assert {path.name for path in Path.cwd().iterdir()} <= {"d", "runs", "cache"}


def test_a_title_longer_than_a_file_name():
    data_set("d")
    for title in ("x" * 400, "語" * 200):
        assert scored(f"{title}=d/maps", "--data", "d")["title"] == title


@pytest.mark.parametrize(
    "arguments",
    [
        ["score", "\udcff=d/maps", "--data", "d"],
        ["score", "\udcff/maps", "--data", "d"],
        ["score", "d/maps", "--data", "\udcff"],
        ["score", "d/maps", "--data", "d", "--out", "\udcff"],
        ["run", "--model", "\udcff"],
        ["report", "\udcff"],
        ["data", "complexity", "\udcff"],
        ["times", "\udcff.json"],
    ],
)
def test_an_argument_that_is_not_utf8(arguments):
    data_set("d")
    data_set("\udcff")
    refused(call(*arguments), "not UTF-8; rename it")


def test_a_file_that_is_not_utf8():
    data_set("d", "b\udcff")
    refused(call("score", "d/maps", "--data", "d"), "whose name is not UTF-8", "b\\udcff.png")


def test_a_folder_above_that_is_not_utf8(monkeypatch):
    data_set("\udcff/d")
    monkeypatch.chdir("\udcff")
    refused(call("score", "d/maps", "--data", "d"), "not UTF-8; rename it")
    assert not Path("runs").exists()
