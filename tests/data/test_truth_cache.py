"""Cached results about truths equal computed ones, are never in the data set, and survive damage and company."""

import errno
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from disbench.cli.main import main
from disbench.data import truth_cache
from disbench.data.complexity import measure_complexity
from disbench.data.images import read_truth
from disbench.data.survey import survey_complexity
from disbench.errors import InputError, UnwritableCache
from disbench.metrics import effort


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    return truth_cache.truth_cache_folder()


@pytest.fixture
def truth():
    drawn = np.zeros((75, 101), np.uint8)
    cv2.circle(drawn, (50, 37), 30, 255, 9)
    cv2.line(drawn, (0, 0), (100, 74), 200, 5)
    return drawn


@pytest.fixture
def file(tmp_path, truth):
    path = tmp_path / "truth.png"
    cv2.imwrite(str(path), truth)
    return path


@pytest.fixture
def no_work(monkeypatch):
    """From here on, nothing may be computed."""

    def forbid():
        monkeypatch.setattr(effort, "skeleton", None)
        monkeypatch.setattr(truth_cache, "measure_complexity", None)

    return forbid


@settings(max_examples=30, deadline=None)
@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 70)), elements=st.sampled_from([0, 130, 255]))
)
def test_a_cached_skeleton_equals_a_computed_one(mask):
    expected = effort.skeleton(mask)
    for _ in range(2):
        bones = truth_cache.load_skeleton(mask)
        assert bones.dtype == np.uint8
        assert np.array_equal(bones, expected)


def test_the_second_method_computes_nothing(truth, file, no_work):
    first = truth_cache.load_skeleton(truth), truth_cache.load_complexity(file)
    assert first[1] == measure_complexity(truth)
    no_work()
    assert np.array_equal(truth_cache.load_skeleton(truth), first[0])
    assert truth_cache.load_complexity(file) == first[1]


def test_content_is_the_key(tmp_path, truth, file, no_work):
    truth_cache.load_skeleton(truth)
    truth_cache.load_complexity(file)
    other = np.roll(truth, 1)
    assert np.array_equal(truth_cache.load_skeleton(other), effort.skeleton(other))
    no_work()
    truth_cache.load_complexity(file.rename(tmp_path / "other name.png"))
    truth_cache.load_skeleton(np.where(truth > 128, np.uint8(255), np.uint8(0)))  # the same foreground
    with pytest.raises(TypeError):
        truth_cache.load_skeleton(truth.T.copy())


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-20], lambda data: b"", lambda data: data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]],
    ids=["cut", "empty", "one bit"],
)
def test_a_damaged_entry_is_computed_again_and_repaired(cache, truth, file, no_work, damage):
    expected = truth_cache.load_skeleton(truth), truth_cache.load_complexity(file)
    entries = {path: path.read_bytes() for path in cache.iterdir()}
    assert len(entries) == 2
    for path, data in entries.items():
        path.write_bytes(damage(data))
    assert np.array_equal(truth_cache.load_skeleton(truth), expected[0])
    assert truth_cache.load_complexity(file) == expected[1]
    assert {path: path.read_bytes() for path in cache.iterdir()} == entries


def test_an_entry_of_another_shape_is_not_taken(cache, truth):
    expected = truth_cache.load_skeleton(truth)
    (entry,) = cache.iterdir()
    cv2.imwrite(str(entry), expected[:10])
    assert np.array_equal(truth_cache.load_skeleton(truth), expected)


@pytest.mark.slow
@pytest.mark.ci
def test_processes_at_once_agree_and_leave_whole_entries(cache, file):
    code = (
        "import sys; from pathlib import Path; from disbench.data import truth_cache\n"
        "from disbench.data.images import read_truth\n"
        "path = Path(sys.argv[1])\n"
        "print(int(truth_cache.load_skeleton(read_truth(path)).sum()), truth_cache.load_complexity(path))"
    )
    command = [sys.executable, "-c", code, file]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert len({process.communicate()[0] for process in running}) == 1
    assert [process.returncode for process in running] == [0, 0, 0]
    assert sorted(path.suffix for path in cache.iterdir()) == [".json", ".png"]


def test_nothing_is_written_into_the_data_set(tmp_path, make_pairs, cache):
    folder = make_pairs(tmp_path / "mine", ["a", "b"])
    before = sorted(folder.rglob("*"))
    assert len(survey_complexity(folder, None, lambda *_: None)) == 2
    assert sorted(folder.rglob("*")) == before
    assert len(list(cache.iterdir())) == 2


def test_bad_input_is_refused_as_without_a_cache(cache):
    empty = np.zeros((4, 4), np.uint8)
    assert not truth_cache.load_skeleton(empty).any()
    with pytest.raises(InputError, match="0 and 1"):
        truth_cache.load_skeleton(empty + np.eye(4, dtype=np.uint8))
    with pytest.raises(InputError, match="truth: got float64"):
        truth_cache.load_skeleton(np.zeros((4, 4)))


def test_a_cache_that_cannot_be_written_causes_one_warning(tmp_path, truth, file, monkeypatch):
    expected = truth_cache.load_skeleton(truth), truth_cache.load_complexity(file)
    (tmp_path / "a file").touch()
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "a file"))
    with pytest.warns(UnwritableCache, match=r"a file: .*\(Not a directory\).*set DISBENCH_CACHE") as warned:
        for _ in range(2):
            assert np.array_equal(truth_cache.load_skeleton(truth), expected[0])
            assert truth_cache.load_complexity(file) == expected[1]
    assert len(warned) == 1


def test_a_full_cache_causes_one_warning(truth, file, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    expected = effort.skeleton(truth), measure_complexity(read_truth(file))
    monkeypatch.setattr(os, "fsync", refuse)  # for the skeleton
    monkeypatch.setattr(truth_cache, "write_checked", refuse)
    with pytest.warns(UnwritableCache, match="No space left on device") as warned:
        assert np.array_equal(truth_cache.load_skeleton(truth), expected[0])
        assert truth_cache.load_complexity(file) == expected[1]
    assert len(warned) == 1


def test_clearing_takes_every_version_and_leaves_data_sets(cache, truth, file):
    truth_cache.load_skeleton(truth)
    older, mini = cache.parent / "truths-v0", cache.parent / "dis-mini-v1"
    for folder in (older, mini):
        folder.mkdir()
        (folder / "x.png").write_bytes(b"12345")
    size = 5 + sum(path.stat().st_size for path in cache.iterdir())
    output = CliRunner().invoke(main, ["data", "clear-cache"]).stdout
    assert f"removed 2 files, {size / 1e6:.1f} MB" in output
    assert (mini / "x.png").exists()
    assert [*cache.iterdir(), *older.iterdir()] == []
