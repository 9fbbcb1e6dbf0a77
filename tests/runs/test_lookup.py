"""References to runs: a method's folder or name is its latest complete run, and a pattern is expanded."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from command import call
from fake_runs import make_run

import disbench
from disbench.errors import InputError
from disbench.runs.lookup import find_run, find_runs
from disbench.runs.manifest import read_manifest, write_manifest
from disbench.system import progress

NET = [Path("net"), Path("runs/net"), Path("./runs/net/")]


def finish(folder, when, complete=True):
    manifest = read_manifest(folder)
    write_manifest(folder, replace(manifest, complete=complete, meta={**manifest.meta, "finished": when}))
    return folder


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    """./runs with two complete runs of net, the latest of which is not the last by name, and one of other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "_announced", set())
    folders = sorted(make_run(Path("runs"), "net", seed=seed, title="Net").folder for seed in range(3))
    latest, earlier, stopped = folders
    finish(latest, "2026-03-01T00:00:00+00:00")
    finish(earlier, "2026-02-01T00:00:00+00:00")
    finish(stopped, "2026-04-01T00:00:00+00:00", complete=False)
    other = finish(make_run(Path("runs"), "other", 0.5, title="Other").folder, "2026-02-15T00:00:00+00:00")
    return {"latest": latest, "earlier": earlier, "stopped": stopped, "other": other}


@pytest.mark.parametrize("reference", NET)
def test_a_method_is_its_latest_complete_run(runs, reference):
    assert find_runs(reference) == [runs["latest"]]


def test_of_two_runs_that_ended_in_one_second_the_later_counts(runs):
    for seconds, name in enumerate(("earlier", "latest")):  # the other way round by name
        finish(runs[name], "2026-03-01T00:00:00+00:00")
        os.utime(runs[name] / "run.json", (seconds, seconds))
    assert find_runs(Path("net")) == [runs["latest"]]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("runs/*", ["other", "latest"]),
        ("runs/net/*", ["earlier", "latest"]),
        ("runs/*/*", ["earlier", "other", "latest"]),
        ("runs/oth?r", ["other"]),
    ],
)
def test_a_pattern_is_every_complete_match_in_the_order_in_which_they_ended(runs, pattern, expected):
    assert find_runs(Path(pattern)) == [runs[name] for name in expected]


def test_what_a_pattern_leaves_out_is_said(runs):
    ran = call("compare", "runs/other", "X=runs/net/*[!z]")
    assert f"disbench: {runs['stopped']}: not finished, so it is left out" in ran.stderr
    assert "two results are called 'X'" in ran.stderr


def test_a_result_is_not_called_as_a_picture_of_grids(runs):
    ran = call("report", "Errors=runs/other", "--format", "csv")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "a result is called 'Errors', as a picture of every grid; give it another title: TITLE=RUN" in ran.stderr


def test_a_folder_with_a_bracket_in_its_name_is_no_pattern(runs):
    Path("runs/net").rename("runs/net[1]")
    assert find_runs(Path("runs/net[1]")) == [Path("runs/net[1]") / runs["latest"].name]


def test_a_path_comes_before_a_name_but_a_folder_without_runs_hides_none(runs):
    Path("net").mkdir()
    assert find_runs(Path("net")) == [runs["latest"]]
    shutil.copytree("runs/other", "net", dirs_exist_ok=True)
    assert find_runs(Path("net")) == [Path("net") / runs["other"].name]


@pytest.mark.parametrize(
    "command",
    [
        ("report", "net"),
        ("report", "Ours=net", "runs/other"),
        ("report", "--format", "latex", "Ours=runs/net"),
        ("compare", "Ours=runs/oth*", "net"),
        ("check", "net", "--against", "runs/net"),
        ("curves", "net", "runs/other", "--out", "c.csv"),
        ("submit", "net", "--as", "net"),
    ],
)
def test_every_command_takes_a_name_a_folder_or_a_pattern(command):
    ran = call(*command)
    assert ran.exit_code == 0, ran.output


def test_the_public_functions_take_them(runs):
    assert "| Net | X |" in disbench.report(["net", ("X", "runs/oth*")])
    (line,) = disbench.compare(["runs/other", "net"], "mae", resamples=100)
    assert list(line.scores) == ["Other", "Net"]
    with pytest.raises(InputError, match=r"runs/net/\*: 2 runs match, such as runs/net/.*; give one of them"):
        find_run(Path("runs/net/*"))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("report", "nett"), "nett: no such run folder, method or leaderboard; did you mean net"),
        (("report", "what"), "; methods in ./runs: net, other; leaderboards: dis-mini, dis5k; published tables: "),
        (("compare", "MVANett", "net"), "did you mean mvanet"),
        (("report", "runs/nett"), "runs/nett: no such run folder; did you mean net? (in runs)"),
        (("report", "runs/net/12"), "runs/net/12: no such run folder; known: "),
        (("submit", "nett"), "nett: no such run folder; did you mean net? (in runs)"),
        (("check", "net", "--against", "runs/x"), "runs/x: no such run folder; known: net, other (in runs)"),
        (("view", "runs/x*", "--out", "v"), "runs/x*: matches no finished run; known: net, other (in runs)"),
        (("report", "file"), "file: a file, not a run folder; give the folder that holds run.json"),
        (("leaderboard", "show", "file"), "file: a file, not an entry; give the .json file of one"),
        (("curves", "file", "--out", "c.csv"), "file: a file, not a run folder"),
        (("grid", "runs/net", "other", "--focus", "nat", "--out", "g.png"), "--focus nat: not the title of one of the"),
    ],
)
def test_a_miss_is_one_line_that_says_what_there_is(command, words):
    Path("file").write_bytes(b"x")
    ran = call(*command)
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1), ran.output
    assert words in ran.stderr


def test_a_method_that_never_finished_is_named(runs):
    for name in ("latest", "earlier"):
        finish(runs[name], "2026-01-01T00:00:00+00:00", complete=False)
    assert "runs/net: none of its 3 runs is finished; run the same command again" in call("report", "net").stderr


def test_a_published_method_comes_before_a_run_of_its_name_and_both_are_said(runs):
    Path("runs/net").rename("runs/mvanet")
    published = call("report", "mvanet")
    assert "| MVANet |" in published.stdout
    assert "mvanet: the leaderboard's numbers; runs/mvanet is your run of this name" in published.stderr
    assert "| Net |" in call("report", "runs/mvanet").stdout
    measured = call("compare", "other", "mvanet", "--metrics", "mae")  # which published numbers cannot be
    assert measured.exit_code == 0 and "Net" in measured.stdout
    Path("runs/other").rename("runs/diffdis-table-3")
    table = call("report", "diffdis-table-3")
    assert table.exit_code == 0 and "runs/diffdis-table-3 is your run of this name" in table.stderr
