"""Submissions at the same time: no entry, no part of an entry and no evidence is lost."""

import subprocess
import sys
from threading import Event, Thread

import pytest
from mini_runs import make_mini_run

from disbench.leaderboard import evidence
from disbench.leaderboard.check import check_entries
from disbench.leaderboard.entry import list_entries, read_entry, write_entry
from disbench.leaderboard.evidence import submit_run


def make_runs(root, count):
    """Runs on different subsets, whose parts share one entry."""
    return [make_mini_run(root, splits=(f"DIS-TE{i + 1}",), perfect=i) for i in range(count)]


def test_a_submission_waits_until_another_one_has_written_its_entry(tmp_path, monkeypatch):
    first, second = make_runs(tmp_path / "runs", 2)
    board, second_wrote = tmp_path / "boards", Event()

    def submit_second():
        submit_run(second, board, metrics="mae")
        second_wrote.set()

    other = Thread(target=submit_second)

    def write_slowly(path, entry):
        if not other.ident:  # the first submission has read the entry, and is about to write it
            other.start()
            second_wrote.wait(0.5)
        write_entry(path, entry)

    monkeypatch.setattr(evidence, "write_entry", write_slowly)
    path = submit_run(first, board, metrics="mae")
    other.join()
    assert {tuple(measured.splits) for measured in read_entry(path).measured} == {("DIS-TE1",), ("DIS-TE2",)}
    assert check_entries([path]) == []
    assert sorted(file.name for file in path.parent.iterdir()) == ["diffdis.json", "evidence"]


@pytest.mark.slow
def test_commands_at_the_same_time_lose_nothing(tmp_path):
    runs = make_runs(tmp_path / "runs", 4)
    commands = [
        [sys.executable, "-m", "disbench", "submit", run.folder, "--to", tmp_path / "boards", "--metrics", "mae", *name]
        for run in runs
        for name in ([], ["--as", f"other-{run.splits[0]}"])
    ]
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait() for process in processes] == [0] * len(commands)
    paths = list_entries(tmp_path / "boards" / "dis-mini")
    assert len(paths) == 5
    assert {split for part in read_entry(paths[0]).measured for split in part.splits} == {
        "DIS-TE1", "DIS-TE2", "DIS-TE3", "DIS-TE4",
    }  # fmt: skip
    assert all(check_entries([path]) == [] for path in paths)
