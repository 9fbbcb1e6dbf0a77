"""The shorter part of tests/faults/chaos.py; killed runs are in test_runs.py, trainings in test_diffdis_train.py."""

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from disbench.errors import InputError
from disbench.system.files import lock_folder, write_atomic

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

import chaos


@pytest.fixture(scope="module")
def work():
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def jobs(work):
    return chaos.jobs(work)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        pytest.param(
            "score",
            ["full disk", "SIGKILL", "two at once", "Ctrl-C", "read-only folder"],
            marks=[pytest.mark.ci, pytest.mark.slow],
        ),
        pytest.param("run", ["vanished file"], marks=[pytest.mark.ci, pytest.mark.slow]),
        pytest.param("score", ["replaced map", "replaced truth"], marks=pytest.mark.slow),
        pytest.param("run", ["replaced image", "replaced weights"], marks=pytest.mark.slow),
    ],
)
def test_nothing_is_lost_and_nothing_is_there_twice(work, jobs, name, kinds):
    chaos.disturb(jobs[name], work, kinds, random.Random(0))


def test_a_file_that_cannot_be_written_whole_leaves_the_old_one_and_no_part(tmp_path):
    path = tmp_path / "x"
    write_atomic(path, b"old")
    with pytest.raises(TypeError):
        write_atomic(path, "no bytes")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "log").touch()
    for folder in (tmp_path / "log", tmp_path / "log/below"):
        with pytest.raises(InputError, match=r"log.*; choose another place with --out"), lock_folder(folder):
            pass


def test_two_are_not_alone_in_a_folder_until_one_has_ended_or_died(tmp_path):
    code = "import sys; from pathlib import Path; from disbench.system.files import lock_folder\n"
    code += "with lock_folder(Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()"
    folder = tmp_path / "new"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code, folder], stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout.readline() == "in\n"
        with pytest.raises(InputError, match=r"new: another process works there"), lock_folder(folder):
            pass
        other.kill()
    with lock_folder(folder):
        pass


def test_ctrl_c_while_the_command_is_loading_has_no_traceback(tmp_path):
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt")
    ended = subprocess.run(
        [sys.executable, "-m", "disbench"],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}"},
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (130, "\ninterrupted\n")


def test_what_is_no_file_is_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(InputError, match="pipe: not a file, so nothing is written there"):
        write_atomic(path, b"new")
    assert path.is_fifo()
