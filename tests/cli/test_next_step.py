"""What `score` and `run` print last: the folders of their runs, and a command that works as it stands."""

import shlex
from pathlib import Path

import pytest
from command import call

from disbench.cli.console import print_next_step
from disbench.data.dataset import SPLIT_COUNTS

BOTH = ("--protocol", "isnet,pysod")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, make_pairs):
    monkeypatch.chdir(tmp_path)
    make_pairs(tmp_path / "mine", ["a", "b", "c"])
    (tmp_path / "my maps").symlink_to("mine/gt")


@pytest.mark.parametrize(
    ("command", "step"),
    [
        (("score", "my maps", "--data", "mine"), "report --out report.html"),
        (("score", "A=my maps", "B=my maps", "--data", "mine", "--out", "my runs"), "compare"),
        (("score", "A=mine/gt", "B=mine/gt", "--data", "mine", *BOTH), "compare --protocol isnet"),
        (("run", "--model", "otsu", "--data", "mine"), "view --out view"),
        pytest.param(
            ("run", "--model", "otsu", "--data", "mine", "--no-save"), "curves --out curves.pdf", marks=pytest.mark.ci
        ),
    ],
)
def test_the_last_lines_are_the_runs_and_a_command_that_works(command, step):
    ran = call(*command)
    assert ran.exit_code == 0, ran.output
    lines = ran.stdout.splitlines()
    folders = [line.partition(": ")[2] for line in lines if line.startswith("Run of ")]
    assert folders and all((Path(folder) / "run.json").is_file() for folder in folders)
    assert lines[-1] == f"Next: disbench {step} {shlex.join(folders)}"
    then = call(*shlex.split(lines[-1])[2:])
    assert then.exit_code == 0, then.output


def test_json_has_no_such_lines():
    assert "Next:" not in call("score", "my maps", "--data", "mine", "--json").stdout


def test_a_run_on_dis5k_is_shown_next_to_published_methods(tmp_path, capsys):
    from fake_runs import make_run

    run = make_run(tmp_path / "runs", n=SPLIT_COUNTS["DIS-VD"], splits=("DIS-VD",), data=("DIS5K", "dis5k"))
    print_next_step([run], ["curves"])
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == f"Next: disbench report --standalone --out table.tex dis5k {run.folder}"
    then = call(*shlex.split(line)[2:])
    assert then.exit_code == 0, then.output
    assert "DiffDIS" in Path("table.tex").read_text("utf-8")
