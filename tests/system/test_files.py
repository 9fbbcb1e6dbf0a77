"""Parts of files that killed processes left are removed at the next start, and those of live writers are not."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from disbench.cli.main import main
from disbench.system import files
from disbench.system.files import (
    atomic_writer,
    link_or_copy,
    lock_folder,
    remove_parts,
    temporary_folder,
    write_atomic,
)

HALF = """
import os, signal, sys
from pathlib import Path
from disbench.system.files import atomic_writer
with atomic_writer(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("written", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def a_new_process():
    """Each test is one: parts are looked for once per process and folder."""
    files._remove_parts_once.cache_clear()


def start_writer(path):
    writer = subprocess.Popen(
        [sys.executable, "-c", HALF, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout.readline() == "written\n"
    return writer


def parts(folder):
    return list(folder.rglob("*.part"))


def make_part(folder, name, seconds_old=0):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(b"half")
    os.utime(path, (time.time() - seconds_old,) * 2)
    return path


def test_a_part_is_removed_when_its_writer_was_killed_and_not_before(tmp_path):
    with start_writer(tmp_path / "x") as writer:
        write_atomic(tmp_path / "y", b"whole")
        remove_parts(tmp_path)
        assert len(parts(tmp_path)) == 1
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        assert len(parts(tmp_path)) == 1
    files._remove_parts_once.cache_clear()
    write_atomic(tmp_path / "z", b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["y", "z"]


def test_a_writer_ends_whole_while_others_clean_up(tmp_path):
    with start_writer(tmp_path / "x") as writer:
        for _ in range(3):
            remove_parts(tmp_path)
        writer.stdin.close()
        assert writer.wait() == 0
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"half"]


def test_a_part_that_is_removed_before_it_is_locked_is_created_again(tmp_path, monkeypatch):
    flock, removed = files.fcntl.flock, []

    def remove_first(file, kind):
        if not removed:
            removed.append(Path(file.name).unlink())
        flock(file, kind)

    monkeypatch.setattr(files.fcntl, "flock", remove_first)
    write_atomic(tmp_path / "x", b"whole")
    assert removed and (tmp_path / "x").read_bytes() == b"whole"


@pytest.mark.parametrize(
    ("name", "seconds_old", "stays"),
    [
        (".00000000-0123456789abcdef.part", 60, True),  # of another host, which may be writing it
        (".00000000-0123456789abcdef.part", 100_000, False),
        (".0123456789abcdef.part", 60, True),  # of an older version, which locked nothing
        (".0123456789abcdef.part", 100_000, False),
        ("film.part", 100_000, True),  # of the user
        (".film.mkv.part", 100_000, True),
        (".thesis.part", 100_000, True),
    ],
)
def test_parts_of_others_stay_for_a_day(tmp_path, name, seconds_old, stays):
    part = make_part(tmp_path, name, seconds_old)
    remove_parts(tmp_path)
    assert part.exists() == stays


def test_without_locks_parts_stay_for_a_day(tmp_path, monkeypatch):
    """As on Windows, and on file systems that refuse locks."""

    def refuse(*_):
        raise OSError(95, "Operation not supported")

    old, young = (make_part(tmp_path, f".{files._host()}-{age:016}.part", age) for age in (100_000, 60))
    monkeypatch.setattr(files.fcntl, "flock", refuse)
    write_atomic(tmp_path / "x", b"1")
    assert young.exists() and not old.exists()
    monkeypatch.setattr(files, "fcntl", None)
    remove_parts(tmp_path)
    with atomic_writer(tmp_path / "y") as file:
        file.write(b"2")
    assert young.exists() and (tmp_path / "y").read_bytes() == b"2"


def test_a_start_in_a_run_or_a_training_removes_its_parts(tmp_path, make_pairs, monkeypatch):
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    data = make_pairs(tmp_path / "d", ["a"])
    command = ["score", str(data / "gt"), "--data", str(data), "--out", str(tmp_path / "runs"), "--save"]
    assert CliRunner().invoke(main, command).exit_code == 0
    (run,) = (tmp_path / "runs").glob("*/*")
    name = f".{files._host()}-{0:016}.part"
    for folder in (run, run / "masks" / "d"):
        make_part(folder, name)
    assert CliRunner().invoke(main, command).exit_code == 0  # nothing is missing, so nothing is written
    assert not parts(run)
    make_part(tmp_path / "training", name)
    with lock_folder(tmp_path / "training"):
        assert not parts(tmp_path / "training")


def test_a_folder_that_cannot_be_read_is_left_as_it_is(tmp_path):
    remove_parts(tmp_path / "missing")
    Path(tmp_path / "file").touch()
    remove_parts(tmp_path / "file")


def test_a_temporary_folder_is_removed_at_the_end_or_at_the_next_start(tmp_path):
    with temporary_folder(tmp_path) as part:
        (part / "x").write_bytes(b"1")
        remove_parts(tmp_path)
        assert (part / "x").exists()
    assert not parts(tmp_path)
    make_part(tmp_path / f".{files._host()}-{1:016}.part", "x")
    make_part(tmp_path / f".00000000-{1:016}.part", "x")
    with temporary_folder(tmp_path):
        pass
    assert [path.name for path in parts(tmp_path)] == [f".00000000-{1:016}.part"]
    os.utime(tmp_path / f".00000000-{1:016}.part", (1, 1))
    remove_parts(tmp_path)
    assert not parts(tmp_path)


def test_a_folder_that_cannot_be_locked_in_any_way_raises_the_reason(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    def open_folders_only(path, flags):
        if Path(path).name == ".lock":
            raise OSError(errno.EROFS, "Read-only file system")
        return real_open(path, flags)

    real_open = os.open
    monkeypatch.setattr(files.fcntl, "flock", refuse)
    monkeypatch.setattr(files.os, "open", open_folders_only)
    with pytest.raises(OSError, match="Read-only file system"), files.wait_for_folder(tmp_path):
        pass


def fail(*_):
    raise OSError(95, "no links here")


@pytest.mark.parametrize("link", [os.link, os.symlink, fail])
def test_no_file_is_written_through_a_link_that_is_there(tmp_path, link):
    ours, theirs = tmp_path / "ours.png", tmp_path / "theirs.png"
    ours.write_bytes(b"ours")
    theirs.write_bytes(b"theirs")
    link_or_copy(ours, tmp_path / "new", link)
    assert (tmp_path / "new").read_bytes() == b"ours"
    for make in (os.link, os.symlink):
        taken = tmp_path / make.__name__
        make(theirs, taken)
        with pytest.raises(FileExistsError):
            link_or_copy(ours, taken, link)
    assert theirs.read_bytes() == b"theirs"


def test_a_part_of_a_living_process_stays_however_old_it_is(tmp_path):
    with temporary_folder(tmp_path) as part:
        os.utime(part, (1, 1))
        remove_parts(tmp_path)
        assert part.exists()


def test_a_full_disk_is_named_by_the_file(tmp_path, monkeypatch):
    def fill(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fill)
    with pytest.raises(OSError, match="No space left on device") as raised:
        write_atomic(tmp_path / "x", b"1")
    assert raised.value.filename == str(tmp_path / "x")
    assert not list(tmp_path.iterdir())
