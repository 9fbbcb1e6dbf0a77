"""A file in place of a folder, a folder in place of a file, and what cannot be read: one line says so."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from mini_runs import SHIPPED, make_mini_run

from disbench.cli.main import main

ENTRY = str(SHIPPED)
RUN_COMMANDS = {
    "check": ["check", "{}", "--against", ENTRY],
    "baseline": ["check", "{}", "--against", "{}"],
    "submit": ["submit", "{}"],
    "curves": ["curves", "{}", "--out", "c.svg"],
}
PLACES = {
    "file": "a file, not a run folder; give the folder that holds run.json",
    "file/in": "no such run folder",
    "nothing": "no such run folder",
    "folder": "not a run folder (it has no run.json)",
    "damaged": "run.json: cannot be read (Is a directory); delete its run.json",
    "loop": "a broken link",
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "damaged" / "run.json").mkdir(parents=True)
    (tmp_path / "loop").symlink_to("loop")


def fail(*arguments):
    """The one line of a command that refuses its arguments."""
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert "[Errno" not in line
    return line


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", RUN_COMMANDS)
def test_what_is_no_run_folder_is_named(command, place):
    line = fail(*(argument.format(place) for argument in RUN_COMMANDS[command]))
    assert line.startswith(f"disbench: {place}")
    assert PLACES[place] in line


def test_an_entry_in_place_of_a_run_is_only_a_baseline():
    line = fail("check", ENTRY, "--against", ENTRY)
    assert line.startswith(f"disbench: {ENTRY}: a file, not a run folder")
    assert line.endswith("an entry of a leaderboard can only be the baseline, --against")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("folder.json", "folder.json: not a leaderboard entry (Is a directory)"),
        ("file/x.json", "file/x.json: no such file"),
        ("nothing.json", "nothing.json: no such file"),
        ("pipe.json", "pipe.json: a pipe, socket or device"),
        ("loop.json", "loop.json: no such file"),
    ],
)
@pytest.mark.parametrize("command", [["leaderboard", "show"], ["leaderboard", "audit"]])
def test_what_is_no_entry_is_named(command, entry, words):
    os.mkfifo("pipe.json")
    Path("loop.json").symlink_to("loop.json")
    assert words in fail(*command, entry)


@pytest.mark.parametrize("root", ["file", "file/in"])
def test_a_leaderboard_that_cannot_be_a_folder_is_named(root, tmp_path):
    run = make_mini_run(tmp_path / "runs", splits=("DIS-TE1",))
    assert fail("submit", run.folder, "--to", root).startswith(f"disbench: {root}")
    assert (tmp_path / "file").read_text() == "x"
