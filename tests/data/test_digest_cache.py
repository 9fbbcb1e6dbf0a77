"""Digests that are kept: never of bytes that were changed, and whatever becomes of the cache."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from disbench.cli.main import main
from disbench.data import digest_cache, hashing, identity
from disbench.data.hashing import hash_file
from disbench.data.identity import hash_splits
from disbench.data.location import find_dataset

LONG_AGO = 1_000_000_000 * 10**9


@pytest.fixture
def folder(tmp_path, monkeypatch, make_pairs):
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(digest_cache, "RACY", 0)
    return make_pairs(tmp_path / "d", ["a", "b"])


@pytest.fixture
def read(monkeypatch):
    """The names of the files that are read."""
    names = []

    def counted(path):
        names.append(path.name)
        return hash_file(path)

    monkeypatch.setattr(digest_cache, "file_digest", counted)
    return names


def kept():
    return sorted(path for path in digest_cache.user_cache().glob("digests-*/*") if path.suffix != ".lock")


def test_nothing_is_read_twice(folder, read):
    first = hash_splits(find_dataset(folder))
    assert sorted(read) == ["a.jpg", "a.png", "b.jpg", "b.png"]
    assert hash_splits(find_dataset(folder)) == first
    assert len(read) == 4
    assert first == _from_bytes(folder)


def _from_bytes(folder):
    pairs = identity.hash_pairs(find_dataset(folder).samples)
    return {"d": {k: hashing.combine_digests((n, p[i]) for n, p in pairs.items()) for i, k in enumerate(("truths", "images"))}}


def rewritten(path):
    path.write_bytes(path.read_bytes()[::-1])


def restored(path):
    """Other bytes of the same size under the old date, in the same file."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"other")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def exchanged(path):
    """Another file of the same size and date in its place."""
    before, other = path.stat(), path.with_name("other")
    other.write_bytes(path.read_bytes()[::-1])
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def longer(path):
    path.write_bytes(path.read_bytes() + b" ")


@pytest.mark.parametrize("change", [rewritten, restored, exchanged, longer])
def test_a_changed_file_is_read_again(folder, read, change):
    path = folder / "gt" / "a.png"
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    first = hash_splits(find_dataset(folder))
    time.sleep(0.02)  # a tick of the clock
    dataset = find_dataset(folder)
    change(path)
    read.clear()
    second = hash_splits(dataset)
    assert read == ["a.png"]
    assert second["d"]["truths"] != first["d"]["truths"]
    assert second["d"]["images"] == first["d"]["images"]


def test_a_young_file_is_not_kept(folder, read, monkeypatch):
    monkeypatch.setattr(digest_cache, "RACY", 60 * 10**9)
    dataset = find_dataset(folder)
    assert hash_splits(dataset) == hash_splits(dataset)
    assert len(read) == 8
    os.utime(folder / "gt" / "a.png", ns=(2**62, 2**62))  # nor one of the future
    monkeypatch.setattr(digest_cache, "RACY", 0)
    hash_splits(dataset)
    hash_splits(dataset)
    assert read[8:].count("a.png") == 2


@pytest.mark.parametrize("data", [b"", b"x", b"00000000 {}", b"\xff" * 50, None])
def test_a_broken_cache_is_as_none(folder, read, data):
    first = hash_splits(find_dataset(folder))
    for path in kept():
        content = path.read_bytes()
        path.write_bytes(content.replace(b"0", b"1", 1) if data is None else data)
    assert hash_splits(find_dataset(folder)) == first
    assert len(read) == 8
    assert hash_splits(find_dataset(folder)) == first
    assert len(read) == 8


def test_a_cache_that_cannot_be_written_is_as_none(folder, read, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "file"))
    assert hash_splits(find_dataset(folder)) == hash_splits(find_dataset(folder)) == _from_bytes(folder)
    assert len(read) == 8


def test_of_several_processes_one_reads(folder, tmp_path):
    (tmp_path / "count.py").write_text(
        "import sys\nfrom disbench.data import find, known\nfrom disbench.data.digests import split_digests\n"
        "known.RACY, plain, read = 0, known.file_digest, []\n"
        "known.file_digest = lambda path: read.append(path) or plain(path)\n"
        "print(split_digests(find(sys.argv[1]))['d']['truths'], len(read))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(digest_cache.__file__).parents[2])}
    command = [sys.executable, str(tmp_path / "count.py"), str(folder)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(3)]
    answers = [process.communicate()[0].split() for process in started]
    assert len({truths for truths, _ in answers}) == 1
    assert sorted(count for _, count in answers) == ["0", "0", "4"]


def test_freezing_reads_everything(folder, read, monkeypatch):
    from disbench.data.verify import freeze_dataset

    first = freeze_dataset(find_dataset(folder))
    hash_splits(find_dataset(folder))
    monkeypatch.setattr(digest_cache, "_read", lambda place: pytest.fail("it trusts the cache"))
    assert freeze_dataset(find_dataset(folder)) == first


def test_two_names_of_one_folder_do_not_wait_for_each_other(folder):
    (folder / "same").symlink_to(folder / "gt", target_is_directory=True)
    program = "import sys; from pathlib import Path; from disbench.data import known\n"
    program += "with known.digests({*map(Path, sys.argv[1:])}) as digest: print(digest(Path(sys.argv[2]) / 'a.png'))"
    names = [str(folder / name) for name in ("gt", "same")]
    done = subprocess.run([sys.executable, "-c", program, *names], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == hash_file(folder / "gt/a.png"), done.stderr


def test_verify_reads_all_and_so_does_the_run_after_it(folder, read):
    hash_splits(find_dataset(folder))
    ran = CliRunner().invoke(main, ["data", "verify", "--data", str(folder)])
    assert (ran.exit_code, kept()) == (0, [])
    read.clear()
    assert hash_splits(find_dataset(folder)) == _from_bytes(folder)
    assert sorted(read) == ["a.jpg", "a.png", "b.jpg", "b.png"]
