"""Leaderboard entries that lie, are broken, or would act on whoever shows them."""

import csv
import json
import shutil
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from fake_runs import make_run
from hostile import accepted, call, files, refused
from parquet_bytes import encode_parquet

from disbench.leaderboard.entry import list_entries as entries
from disbench.runs.tables import read_parquet

pytestmark = pytest.mark.usefixtures("shared_bootstraps")
ENTRY = Path("board/dis-mini/diffdis.json")
MEASURED, REPORTED = ("measured", 0), ("reported", 0)
MAE = (*MEASURED, "scores", "DIS-VD", "mae")
EVIL = "<script>alert(1)</script>\n=1+1\x1b[31m\\input{x}|`{{7*7}}"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run, and the entry of it with its evidence: one measured part, one that was reported."""
    root = tmp_path_factory.mktemp("made")
    run = make_run(root / "runs", splits=("DIS-VD",), title="Mine")
    accepted(call("submit", run.folder, "--to", root / "board"))
    path = root / ENTRY
    entry = json.loads(path.read_bytes())
    mvanet = next(path for path in entries() if path.stem == "mvanet")
    path.write_text(json.dumps(entry | {"reported": json.loads(mvanet.read_bytes())["reported"]}))
    return root


@pytest.fixture(autouse=True)
def here(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)


def put(*keys, value):
    def change():
        entry = inner = json.loads(ENTRY.read_bytes())
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        ENTRY.write_text(json.dumps(entry), encoding="utf-8")

    return change


def replaced(old, new, count=-1):
    """In the text of the entry."""
    return lambda: ENTRY.write_bytes(ENTRY.read_bytes().replace(old, new, count))


def text(data):
    return lambda: ENTRY.write_bytes(data)


def evidence():
    return next(ENTRY.parent.joinpath("evidence").iterdir())


def table(edit):
    """Other evidence, whose digest the entry has."""

    def change():
        old = evidence()
        data = encode_parquet(edit(read_parquet(old)))
        digest = sha256(data).hexdigest()
        old.unlink()
        old.with_name(f"{digest[:16]}.parquet").write_bytes(data)
        put(*MEASURED, "evidence", value=digest)()

    return change


def drop(key):
    return table(lambda columns: {k: column for k, column in columns.items() if k != key})


def column(key, change):
    return table(lambda columns: columns | {key: list(map(change, columns[key]))})


def instead(make):
    """Something else in the place of the evidence."""

    def change():
        path = evidence()
        path.unlink()
        make(path)

    return change


BROKEN = {  # no command can read it: how it was changed, words of the line
    "nothing": (text(b""), "not a leaderboard entry"),
    "a list": (text(b"[]"), "not a leaderboard entry"),
    "cut": (lambda: ENTRY.write_bytes(ENTRY.read_bytes()[:500]), "not a leaderboard entry"),
    "nested": (text(b"[" * 100_000), "not a leaderboard entry"),
    "not UTF-8": (replaced(b"Mine", b"\xff"), "not a leaderboard entry"),
    "NaN": (replaced(b'"schema": 1', b'"schema": NaN'), "not a leaderboard entry"),
    "a number beyond floats": (put(*MAE, 0, value=10**400), "not a leaderboard entry"),
    "a key twice": (replaced(b'"title"', b'"title": "A", "title"', 1), "a key stands twice among model, title"),
    "a score twice": (replaced(b'"mae": [', b'"mae": [0.0, 0.0, 0.0], "mae": [', 1), "a key stands twice"),
    "score of text": (put(*MAE, 0, value="0.1"), "not a leaderboard entry"),
    "score of nothing": (put(*MAE, 0, value=None), "not a leaderboard entry"),
    "half an interval": (put(*MAE, value=[0.1, 0.2]), "not a leaderboard entry"),
    "n and a half": (put(*MEASURED, "splits", "DIS-VD", value=12.5), "not a leaderboard entry"),
    "printed as a number": (put(*REPORTED, "printed", "DIS-VD", "mae", value=0.5), "not a leaderboard entry"),
    "later schema": (put("schema", value=99), "schema 99"),
    "another data set's name": (put("dataset", value="DIS5K"), "'DIS5K' is not the data set of the token"),
    "another data set's token": (put("token", value="dis5k"), "is not the data set of the token 'dis5k'"),
    "a folder's token": (put("token", value="folder:x"), "is not the data set"),
}

UNFOUNDED = {  # what reads evidence refuses it; `show` shows what is claimed
    "unknown protocol": (put(*MEASURED, "protocol", value="mine"), "'mine' is unknown"),
    "unknown measure": (put(*MEASURED, "scores", "DIS-VD", "evil", value=[0.1, None, None]), "unknown metric 'evil'"),
    "unknown subset": (put(*MEASURED, "splits", value={"X": 12}), "its signature"),
    "no subsets": (put(*MEASURED, "splits", value={}), "its signature"),
    "n too small": (put(*MEASURED, "splits", "DIS-VD", value=3), "its signature"),
    "n below nothing": (put(*MEASURED, "splits", "DIS-VD", value=-12), "its signature"),
    "n beyond all": (put(*MEASURED, "splits", "DIS-VD", value=10**30), "its signature"),
    "signature of another": (put(*MEASURED, "signature", value="x"), "its signature x is not that"),
    "maps that were resized": (replaced(b"size:native", b"size:pillow-bicubic:3"), "its signature"),
    "maps of any size": (replaced(b"size:native", b"size:.*<b>"), "its signature"),
    "evidence above": (put(*MEASURED, "evidence", value="../../runs"), "'../../runs' is not a SHA-256"),
    "evidence elsewhere": (put(*MEASURED, "evidence", value="/etc/passwd"), "'/etc/passwd' is not a SHA-256"),
    "evidence of another": (put(*MEASURED, "evidence", value="0" * 64), "0000000000000000.parquet"),
    "evidence missing": (instead(lambda path: None), "cannot be read"),
    "evidence changed": (lambda: evidence().write_bytes(evidence().read_bytes() + b" "), "another digest"),
    "evidence cut": (lambda: evidence().write_bytes(evidence().read_bytes()[:500]), "another digest"),
    "evidence a link out": (instead(lambda path: path.symlink_to("/etc/passwd")), "another digest"),
    "evidence a dead link": (instead(lambda path: path.symlink_to("nowhere")), "a broken link"),
    "evidence a folder": (instead(Path.mkdir), "cannot be read"),
    "a foreign table": (table(lambda _: {"x": [1.0, 2.0]}), "cannot be read"),
    "no histogram": (drop("fg_hist"), "cannot be read (no column 'fg_hist')"),
    "no sizes": (drop("height"), "cannot be read (no column 'height')"),
    "histogram of less than none": (column("fg_hist", lambda h: -np.array(h, np.int64)), "does not count pixels"),
    "histogram of halves": (column("fg_hist", lambda h: np.array(h) + 0.5), "does not count pixels"),
    "histogram of NaN": (column("fg_hist", lambda h: np.array(h) * np.nan), "does not count pixels"),
    "short histogram": (column("fg_hist", lambda h: np.array(h[:9], np.uint32)), "does not have 256 levels"),
    "more pixels than the image": (column("fg_hist", lambda h: np.full(256, 2**31, np.uint32)), "images' sizes"),
    "another size": (column("height", lambda height: 1), "images' sizes"),
    "values of NaN": (column("s_measure", lambda value: float("nan")), "s_measure has a value that is not a number"),
    "values of text": (column("s_measure", lambda value: "x"), "cannot be read"),
    "less images": (table(lambda columns: {k: c[:3] for k, c in columns.items()}), "has {'DIS-VD': 3} images"),
    "another subset's": (column("split", lambda split: "DIS-TE1"), "has {'DIS-TE1': 12} images"),
    "an image twice": (column("image", lambda name: "000"), "an image occurs twice"),
    "images of numbers": (column("image", float), "a name is not text"),
    "images of elsewhere": (column("image", lambda name: f"../../{name}"), "a name is a path"),
}

LIES = {  # what `check` alone finds
    "a better score": (put(*MAE, 0, value=0.001), "mae on DIS-VD is 0.001, its evidence gives"),
    "a huge score": (put(*MAE, 0, value=1e308), "mae on DIS-VD is 1e+308, its evidence gives"),
    "a narrower interval": (put(*MAE, 2, value=0.3), "the interval of mae on DIS-VD"),
    "no interval": (put(*MAE, 2, value=None), "the interval of mae on DIS-VD"),
    "no scores": (put(*MEASURED, "scores", value={}), "its scores are of"),
    "no score": (put(*MEASURED, "scores", "DIS-VD", value={}), "a subset has no scores"),
    "scores of more": (put(*MEASURED, "scores", "DIS-TE1", value={"mae": [0, 0, 0]}), "are of DIS-VD, DIS-TE1"),
    "truths of none": (put(*MEASURED, "truths", value={}), "its scores are of"),
    "truths of anything": (put(*MEASURED, "truths", "DIS-VD", value="x"), "digest of truths is not a SHA-256"),
    "faster than light": (put(*MEASURED, "seconds", "infer", value=-1.0), "are not times"),
    "time of a part alone": (put(*MEASURED, "seconds", value={"infer": 0.1}), "are not times"),
    "done at no time": (put(*MEASURED, "finished", value="\x1b[31m yesterday"), "'\\x1b[31m yesterday' is not a time"),
    "another's name": (put("model", value="../../x"), "must be called ../../x.json"),
    "nothing at all": (lambda: [put(key, value=[])() for key in ("measured", "reported")], "nothing is reported"),
    "column before the first": (put(*REPORTED, "source", "column", value=-7), "column -7"),
    "an address that acts": (put(*REPORTED, "source", "url", value="javascript:alert(1)"), "not an https:// address"),
    "a number that acts": (put(*REPORTED, "source", "arxiv", value="javascript:alert(1)"), "is not an arXiv number"),
    "unknown protocol, reported": (put(*REPORTED, "protocol", value="mine"), "unknown protocol 'mine'"),
    "printed NaN": (put(*REPORTED, "printed", "DIS-VD", "f_max", value="NaN"), "'NaN' (f_max, DIS-VD) is not a number"),
    "printed power": (put(*REPORTED, "printed", "DIS-VD", "mae", value="1e999999999"), "is not a number"),
    "printed at length": (put(*REPORTED, "printed", "Overall", "mae", value="0." + "9" * 99), "is not a number"),
    "printed in full width": (put(*REPORTED, "printed", "DIS-VD", "mae", value="０.５"), "is not a number"),
    "a mark that is a macro": (put(*REPORTED, "marks", "DIS-VD", value={"mae": "input{x}"}), "unknown mark 'input{x}'"),
}  # fmt: skip


def run():
    return next(Path("runs").glob("*/*"))


def readers():
    """Commands that read what was measured."""
    yield "report", ENTRY
    yield "report", ENTRY, "--format", "html", "--out", "r.html"
    yield "check", run(), "--against", ENTRY
    yield "compare", f"Base={run()}", ENTRY


def checked(words):
    result = call("leaderboard", "check", ENTRY)
    assert result.exit_code == 1, result.output
    found = result.stdout.splitlines()
    assert all(line.startswith(f"{ENTRY}: ") or "board/dis-mini/evidence/" in line for line in found[:-1]), found
    assert any(words in line for line in found), found


@pytest.mark.parametrize("what", BROKEN)
def test_an_entry_that_is_none(what):
    change, words = BROKEN[what]
    change()
    before = files()
    checked(words)
    for command in [["show", ENTRY], ["show", ENTRY, "--json"], ["audit", ENTRY]]:
        refused(call("leaderboard", *command), words, f"{ENTRY}: ")
    for command in [*readers(), ["submit", run(), "--to", "board"]]:
        refused(call(*command), words, f"{ENTRY}: ")
    assert files() == before


@pytest.mark.parametrize("what", UNFOUNDED)
def test_an_entry_that_its_evidence_does_not_hold(what):
    change, words = UNFOUNDED[what]
    change()
    before = files()
    checked(words)
    accepted(call("leaderboard", "show", ENTRY, "--split", "DIS-VD"))
    assert call("leaderboard", "audit", ENTRY).exit_code in (0, 1)
    for command in readers():
        refused(call(*command), words, "board/dis-mini/")
    assert files() == before


@pytest.mark.parametrize("what", LIES)
def test_an_entry_that_lies(what):
    change, words = LIES[what]
    change()
    before = files()
    checked(words)
    for command in [["show", ENTRY, "--split", "DIS-VD"], ["audit", ENTRY]]:
        result = call("leaderboard", *command)
        assert result.exit_code in (0, 1)
        assert result.exception is None or isinstance(result.exception, SystemExit)
    for command in readers():
        result = call(*command)
        if result.exit_code:
            refused(result, "see `disbench leaderboard check`" if "printed" in what or "macro" in what else ENTRY.name)
    assert {path: data for path, data in files().items() if path.name != "r.html"} == before


class Acting(HTMLParser):
    """What a page would run or lead to."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [tag] * (tag in {"script", "img", "iframe"})
        self.found += [value for key, value in attributes if key in {"href", "src"} or key.startswith("on")]


@pytest.mark.parametrize(
    "keys",
    [("title",), ("paper", "title"), ("paper", "venue"), *((*REPORTED, "source", k) for k in ("title", "table", "venue",
     "heading", "arxiv", "url")), (*REPORTED, "because"), (*MEASURED, "environment", "cpu")],
    ids=lambda keys: str(keys[-1]),
)  # fmt: skip
def test_words_from_outside_are_inert(keys):
    plain, odd = Path("plain.html"), Path("odd.html")
    accepted(call("report", ENTRY, "--out", plain))
    put(*keys, value=EVIL)()
    for command in [["leaderboard", "show", ENTRY], ["leaderboard", "audit", ENTRY], ["report", ENTRY]]:
        result = call(*command)
        assert result.exit_code in (0, 1)
        assert "<script>" not in result.stdout or command[0] != "report"
    accepted(call("report", ENTRY, "--out", odd))
    pages = [Acting(), Acting()]
    for page, path in zip(pages, (plain, odd), strict=True):
        page.feed(path.read_text())
    assert pages[0].found == pages[1].found
    accepted(call("report", ENTRY, "--out", "r.tex"))
    assert r"\input{x}" not in Path("r.tex").read_text(encoding="utf-8")
    accepted(call("report", ENTRY, "--out", "r.csv"))
    with Path("r.csv").open(newline="", encoding="utf-8") as file:
        assert not any(cell.startswith("=") for row in csv.reader(file) for cell in row)
    accepted(call("report", ENTRY, "--out", "r.md"))
    assert "\x1b" not in Path("r.md").read_text(encoding="utf-8")


def test_an_entry_with_a_wrong_digest_stays_whole_when_a_run_is_submitted():
    put(*MEASURED, "evidence", value="../../runs")()
    before = files()
    refused(call("submit", run(), "--to", "board"), "is not a SHA-256")
    assert files() == before


TABLES = {
    "nothing": b"",
    "an object": b"{}",
    "numbers": b'[{"paper": "P", "table": "T", "columns": {"A": {"DIS-VD": {"mae": 1}}}}]',
    "cut": b'[{"paper": "P"',
    "nested": b"[" * 100_000,
}


@pytest.mark.parametrize("what", TABLES)
def test_a_file_of_tables_that_is_none(what):
    Path("board/tables").mkdir()
    path = Path("board/tables/t.json")
    path.write_bytes(TABLES[what])
    for command in [["audit", path], ["audit", ENTRY], ["check", ENTRY]]:
        refused(call("leaderboard", *command), f"{path}: not a file of published tables")
    path.unlink()
    path.mkdir()
    refused(call("leaderboard", "check", ENTRY), f"{path}: not a file of published tables")
