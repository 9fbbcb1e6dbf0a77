"""Cached digests are never those of changed bytes, and a faulty cache is the same as none."""

import os
import time

import pytest
from click.testing import CliRunner

from disbench.cli.main import main
from disbench.data import digest_cache, hashing, identity
from disbench.data.hashing import hash_file
from disbench.data.identity import hash_dataset, identify_splits
from disbench.data.location import find_dataset
from disbench.errors import UnwritableCache
from disbench.system.caches import cache_root


def hash_splits(dataset):
    return identify_splits(hash_dataset(dataset))


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

    def hash_and_note(path):
        names.append(path.name)
        return hash_file(path)

    monkeypatch.setattr(digest_cache, "hash_file", hash_and_note)
    return names


def cache_files():
    return sorted(cache_root().glob("digests-*/*"))


def test_nothing_is_read_twice(folder, read):
    first = hash_splits(find_dataset(folder))
    assert sorted(read) == ["a.jpg", "a.png", "b.jpg", "b.png"]
    assert hash_splits(find_dataset(folder)) == first
    assert len(read) == 4
    assert first == _from_bytes(folder)


def _from_bytes(folder):
    pairs = identity.hash_pairs(find_dataset(folder).samples)
    return {
        "d": {
            "truths": hashing.combine_digests((name, truth) for name, (truth, _) in pairs.items()),
            "images": hashing.combine_digests((name, image) for name, (_, image) in pairs.items()),
        }
    }


def rewrite(path):
    path.write_bytes(path.read_bytes()[::-1])


def restore_date(path):
    """Other bytes of the same size under the old date, in the same file."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"other")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def exchange(path):
    """Another file of the same size and date in its place."""
    before, other = path.stat(), path.with_name("other")
    other.write_bytes(path.read_bytes()[::-1])
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def lengthen(path):
    path.write_bytes(path.read_bytes() + b" ")


@pytest.mark.parametrize("change", [rewrite, restore_date, exchange, lengthen])
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


def test_a_young_file_is_not_cached(folder, read, monkeypatch):
    monkeypatch.setattr(digest_cache, "RACY", 60 * 10**9)
    dataset = find_dataset(folder)
    assert hash_splits(dataset) == hash_splits(dataset)
    assert len(read) == 8
    os.utime(folder / "gt" / "a.png", ns=(2**62, 2**62))  # nor is one from the future
    monkeypatch.setattr(digest_cache, "RACY", 0)
    hash_splits(dataset)
    hash_splits(dataset)
    assert read[8:].count("a.png") == 2


@pytest.mark.parametrize("data", [b"", b"x", b"00000000 {}", b"\xff" * 50, None])
def test_a_damaged_cache_means_that_files_are_read(folder, read, data):
    first = hash_splits(find_dataset(folder))
    assert len(cache_files()) == 2
    for path in cache_files():
        content = path.read_bytes()
        path.write_bytes(content.replace(b"0", b"1", 1) if data is None else data)
    assert hash_splits(find_dataset(folder)) == first
    assert len(read) == 8
    assert hash_splits(find_dataset(folder)) == first
    assert len(read) == 8


def test_a_cache_that_cannot_be_written_means_that_files_are_read(folder, read, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "file"))
    with pytest.warns(UnwritableCache, match=r"file: .*set DISBENCH_CACHE") as warned:
        assert hash_splits(find_dataset(folder)) == hash_splits(find_dataset(folder)) == _from_bytes(folder)
    assert len(read) == 8
    assert len(warned) == 1


def test_freezing_reads_everything(folder, read, monkeypatch):
    from disbench.data.verify import freeze_dataset

    first = freeze_dataset(find_dataset(folder))
    hash_splits(find_dataset(folder))
    monkeypatch.setattr(digest_cache, "_load", lambda folder: pytest.fail("it trusts the cache"))
    assert freeze_dataset(find_dataset(folder)) == first


def test_two_names_of_one_folder_share_a_cache_file(folder, read):
    (folder / "same").symlink_to(folder / "gt", target_is_directory=True)
    for name in ("gt", "same"):
        cache = digest_cache.DigestCache([folder / name])
        assert cache.hash_file(folder / name / "a.png") == hash_file(folder / "gt" / "a.png")
        cache.save()
    assert (read, len(cache_files())) == (["a.png"], 1)


def test_verify_reads_all_and_so_does_the_run_after_it(folder, read):
    hash_splits(find_dataset(folder))
    ran = CliRunner().invoke(main, ["data", "verify", "--data", str(folder)])
    assert (ran.exit_code, cache_files()) == (0, [])
    read.clear()
    assert hash_splits(find_dataset(folder)) == _from_bytes(folder)
    assert sorted(read) == ["a.jpg", "a.png", "b.jpg", "b.png"]


def test_digests_of_other_files_of_a_folder_stay_while_these_exist(folder, read):
    dataset = find_dataset(folder)
    hash_splits(dataset)
    (folder / "gt" / "a.png").unlink()
    (folder / "gt" / "c.png").write_bytes(b"c")
    cache = digest_cache.DigestCache([folder / "gt"])
    cache.hash_file(folder / "gt" / "c.png")
    cache.save()
    read.clear()
    names = "a.png", "b.png", "c.png"
    assert [name in digest_cache.DigestCache([folder / "gt"])._saved[folder / "gt"] for name in names] == [0, 1, 1]
    again = digest_cache.DigestCache([folder / "gt"])
    again.hash_file(folder / "gt" / "b.png")
    assert read == []


def test_digests_that_another_process_removed_do_not_come_back(folder):
    hash_splits(find_dataset(folder))
    cache = digest_cache.DigestCache([folder / "gt"])  # loads all digests
    digest_cache.forget_digests([folder / "gt"])
    (folder / "gt" / "c.png").write_bytes(b"c")
    cache.hash_file(folder / "gt" / "c.png")
    cache.save()
    assert list(digest_cache.DigestCache([folder / "gt"])._saved[folder / "gt"]) == ["c.png"]
