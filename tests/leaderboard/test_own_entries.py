"""The user's own entries, in ./leaderboards, stand next to the shipped ones wherever a leaderboard is named."""

import json
import shutil
from pathlib import Path

import pytest
from fake_runs import make_run
from hostile import accepted, call, refused
from mini_runs import make_mini_run

from disbench.leaderboard.entry import find_entries, list_boards, list_entries, read_entry
from disbench.reports.inputs import classify_inputs, load_inputs
from disbench.system import progress

pytestmark = pytest.mark.usefixtures("shared_bootstraps")
NOTE = "with your entries in ./leaderboards/"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "_announced", set())


def submit(title="MyNet", model="mynet", *options):
    run = make_run(Path("runs"), model, splits=("DIS-TE1",), n=5, title=title, data=("DIS5K", "dis5k"))
    accepted(call("submit", run.folder, *options))
    return run


def test_every_command_that_takes_a_board_has_own_entries_and_says_so():
    run = submit()
    own = Path("leaderboards/dis5k/mynet.json")
    assert find_entries(["dis5k"]) == [*list_entries("dis5k"), own]
    assert find_entries(["mynet"]) == [own]
    for command in [["leaderboard", "show", "--split", "DIS-TE1"], ["report", "dis5k", "--metrics", "mae"]]:
        progress._announced.clear()  # as in a new process
        result = accepted(call(*command))
        assert "MyNet" in result.stdout
        assert f"{run.scores('mae')['DIS-TE1']['mae']:.3f}" in result.stdout
        assert f"{NOTE}dis5k: mynet" in result.stderr
    assert "From ./leaderboards, not shipped with disbench: MyNet." in result.stdout
    (entry,) = json.loads(accepted(call("leaderboard", "show", "--json", "--find", "mynet")).stdout)
    assert entry["title"] == "MyNet"
    result = call("leaderboard", "check", "dis5k")
    assert result.exit_code == 1
    assert "leaderboards/dis5k/mynet.json: " in result.stdout  # the images of this run are not those of DIS5K
    assert f"{len(list_entries('dis5k')) + 1} entries" in result.stdout
    assert call("leaderboard", "audit", "dis5k").exit_code == 1


def test_without_own_entries_nothing_is_said_and_no_caption_changes():
    result = accepted(call("report", "dis5k", "--metrics", "mae"))
    assert "./leaderboards" not in result.stderr + result.stdout


def test_the_shipped_folder_is_not_listed_twice(monkeypatch):
    monkeypatch.chdir(list_boards()["dis5k"].parents[1])
    assert find_entries(["dis5k"]) == list_entries("dis5k")


def test_a_copy_of_a_shipped_entry_takes_its_place():
    shipped = list_boards()["dis5k"] / "mvanet.json"
    Path("leaderboards/dis5k").mkdir(parents=True)
    shutil.copy(shipped, "leaderboards/dis5k")
    paths = find_entries(["dis5k"])
    assert shipped not in paths and Path("leaderboards/dis5k/mvanet.json") in paths
    assert len(paths) == len(list_entries("dis5k"))
    assert accepted(call("leaderboard", "check", "dis5k")).stdout == f"{len(paths)} entries, 0 faults\n"


def test_an_own_entry_of_a_shipped_method_stands_next_to_it():
    run = make_mini_run(Path("runs"))
    accepted(call("submit", run.folder))
    results = load_inputs(classify_inputs([(None, Path("dis-mini"))]).measured)
    assert [result.title for result in results] == ["DiffDIS-mini", "U2-NetP-mini", "DiffDIS-mini (own entry)"]
    assert accepted(call("leaderboard", "check", "dis-mini")).exit_code == 0


def test_a_run_comes_before_the_entry_that_was_made_of_it():
    run = submit()
    (result,) = load_inputs([(None, Path("mynet"))])
    assert result.folder == Path("runs/mynet") / run.folder.name
    shutil.rmtree("runs")
    (result,) = load_inputs([(None, Path("mynet"))])
    assert result.folder.parent == Path("leaderboards/dis5k/evidence")


def test_a_broken_own_entry_is_named():
    submit()
    Path("leaderboards/dis5k/mvanet.json").write_text("{", encoding="utf-8")
    result = call("report", "dis5k")
    assert result.exit_code == 2
    assert "disbench: leaderboards/dis5k/mvanet.json: not a leaderboard entry" in result.stderr
    result = call("leaderboard", "check", "dis5k")
    assert "leaderboards/dis5k/mvanet.json: not a leaderboard entry" in result.stdout


def test_submit_takes_the_facts_of_a_paper():
    submit("MyNet", "mynet", "--paper", "A Paper", "--url", "https://example.org/p", "--author", "A", "--author", "B C")
    path = Path("leaderboards/dis5k/mynet.json")
    facts = {"title": "A Paper", "url": "https://example.org/p", "authors": "A, B C"}
    assert read_entry(path).paper == facts
    run = next(Path("runs/mynet").iterdir())
    accepted(call("submit", run, "--paper", "Another"))
    assert read_entry(path).paper == facts | {"title": "Another"}
    accepted(call("submit", run))
    assert read_entry(path).paper == facts | {"title": "Another"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--paper", "<script>"], "--paper: '<script>' is not plain text"),
        (["--author", "a\nb"], "--author: 'a\\nb' is not plain text"),
        (["--url", "javascript:alert(1)"], "--url: 'javascript:alert(1)' is not an https:// address"),
        (["--url", "https://a b"], "is not an https:// address"),
        (["--to", "x", "--bundle", "b.zip"], "--bundle writes one file and no leaderboard; omit --to"),
    ],
)
def test_facts_that_are_none_are_refused(options, words):
    run = make_run(Path("runs"), splits=("DIS-TE1",), n=5)
    refused(call("submit", run.folder, *options), words)
    assert not Path("leaderboards").exists()
