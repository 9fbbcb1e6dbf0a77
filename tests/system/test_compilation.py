"""Compiled kernels are cached in the user's cache; a cache that is damaged, full or not writable only costs time."""

import errno
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import zlib

import numpy as np
import pytest

from disbench.errors import UnwritableCache
from disbench.system import caches, compilation
from disbench.system.compilation import make_kernel_decorator
from disbench.system.progress import show_announcements

DAMAGES = {
    "removed": lambda data: None,
    "emptied": lambda data: b"",
    "truncated to a byte": lambda data: data[:1],
    "truncated": lambda data: data[: len(data) // 2],
    "without the last byte": lambda data: data[:-1],
    "longer": lambda data: data + b"\0",
    "garbage": lambda data: random.Random(0).randbytes(len(data)),
    "one bit": lambda data: data[:-500] + bytes([data[-500] ^ 1]) + data[-499:],
    "not a pickle, under a right checksum": lambda data: b"%08x garbage" % zlib.crc32(b"garbage"),
    "another pickle, under a right checksum": lambda data: b"%08x N." % zlib.crc32(b"N."),
}


def add_up(values):
    total = 0
    for value in values:
        total += value
    return total


def run_anew(**options):
    """Return (sum, loaded, compiled) of a kernel that this process has not used."""
    kernel = make_kernel_decorator(nogil=True, **options)(add_up)
    result = kernel(np.arange(5))
    return int(result), sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values())


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    return tmp_path / "cache" / "kernels-v1"


def test_a_kernel_is_compiled_once(folder):
    assert run_anew() == (10, 0, 1)
    assert [path.name.split("-")[0] for path in folder.iterdir()] == ["test_compilation.add_up"]
    assert run_anew() == (10, 1, 0)


def test_each_option_and_each_signature_has_its_own_entry(folder):
    run_anew()
    assert run_anew(fastmath={"nsz", "reassoc"}) == (10, 0, 1)
    assert run_anew(fastmath={"reassoc", "nsz"}) == (10, 1, 0)
    assert make_kernel_decorator(nogil=True)(add_up)(np.arange(5) / 2) == 5
    assert len(list(folder.iterdir())) == 3


def test_changed_source_is_compiled_again(monkeypatch):
    run_anew()
    monkeypatch.setattr(compilation, "_hash_source", lambda file: "another")
    assert run_anew() == (10, 0, 1)


@pytest.mark.parametrize("other", [1.5, (1, 2), np.arange(2)])
def test_a_changed_constant_of_the_module_is_compiled_again(monkeypatch, other):
    """The constant may come from another module, whose source is not that of the kernel."""
    monkeypatch.setitem(globals(), "CONSTANT", 1)
    assert [run_anew(), run_anew()] == [(10, 0, 1), (10, 1, 0)]
    monkeypatch.setitem(globals(), "CONSTANT", other)
    assert [run_anew(), run_anew()] == [(10, 0, 1), (10, 1, 0)]


def test_source_in_an_archive_is_cached_too(monkeypatch):
    monkeypatch.setattr(compilation, "_hash_source", lambda file: None)
    assert [run_anew(), run_anew()] == [(10, 0, 1), (10, 1, 0)]


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_entry_is_compiled_again_and_repaired(folder, damage):
    run_anew()
    (entry,) = folder.iterdir()
    data = damage(entry.read_bytes())
    entry.unlink() if data is None else entry.write_bytes(data)
    assert run_anew() == (10, 0, 1)
    assert run_anew() == (10, 1, 0)
    assert list(folder.iterdir()) == [entry]


def test_a_folder_in_the_place_of_an_entry_causes_one_warning(folder):
    run_anew()
    (entry,) = folder.iterdir()
    entry.unlink()
    entry.mkdir()
    with pytest.warns(UnwritableCache) as warned:
        assert [run_anew(), run_anew()] == [(10, 0, 1), (10, 0, 1)]
    assert len(warned) == 1


@pytest.mark.parametrize("variable", ["DISBENCH_CACHE", "NUMBA_CACHE_DIR"])
def test_a_cache_that_cannot_be_written_causes_one_warning(tmp_path, monkeypatch, variable):
    (tmp_path / "a file").touch()
    monkeypatch.setenv(variable, str(tmp_path / "a file"))
    with pytest.warns(UnwritableCache, match=rf"a file.*\(Not a directory\).*set {variable} to") as warned:
        assert [run_anew(), run_anew()] == [(10, 0, 1), (10, 0, 1)]
    assert len(warned) == 1


def test_a_full_disk_causes_one_warning_and_leaves_no_file(folder, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(caches, "write_atomic", refuse)
    with pytest.warns(UnwritableCache, match=r"cache: .*No space left on device") as warned:
        assert [run_anew(), run_anew()] == [(10, 0, 1), (10, 0, 1)]
    assert len(warned) == 1
    assert list(folder.iterdir()) == []


def test_a_cache_that_is_complete_need_not_be_writable(monkeypatch):
    run_anew()
    monkeypatch.setattr(caches, "write_atomic", None)
    monkeypatch.setattr(compilation, "check_writable", None)
    assert run_anew() == (10, 1, 0)


def test_numba_cache_dir_holds_the_kernels_only(tmp_path, folder, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    assert [run_anew(), run_anew()] == [(10, 0, 1), (10, 1, 0)]
    assert len(list((tmp_path / "numba" / "disbench" / "kernels-v1").iterdir())) == 1
    assert not folder.exists()
    assert caches.cache_folder("truths", "v1").parent == folder.parent


def test_compilation_is_announced_to_commands_only(monkeypatch):
    monkeypatch.setattr("disbench.system.progress._announced", set())
    said = []
    run_anew()
    with show_announcements(said.append):
        run_anew()
        assert said == []  # it was loaded
        run_anew(fastmath=True)
        run_anew(boundscheck=True)
    run_anew(error_model="numpy")
    assert said == ["compiling the kernels, once ..."]


def score_anew(folder, **environment):
    """Score ground truths against themselves in a new process. Returns (scores, lines on standard error)."""
    shutil.rmtree(folder / "runs", ignore_errors=True)  # otherwise an earlier run is the result
    command = [sys.executable, "-m", "disbench", "score", folder / "gt", "--data", folder, "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=os.environ | environment)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)[0]["scores"], ran.stderr.splitlines()


@pytest.mark.ci
@pytest.mark.slow
def test_a_command_says_that_it_compiles_and_survives_damage(tmp_path, make_pairs, folder):
    data = make_pairs(tmp_path / "data", ["a"])
    cold, lines = score_anew(data)
    assert lines == ["disbench: compiling the kernels, once ..."]
    assert score_anew(data) == (cold, [])
    entries = sorted(folder.iterdir())
    damages = itertools.cycle(DAMAGES[name] for name in ("emptied", "truncated", "garbage", "one bit"))
    for path, damage in zip(sorted(folder.glob("kernels.*")), damages, strict=False):  # a few, for the time it takes
        path.write_bytes(damage(path.read_bytes()))
    assert score_anew(data) == (cold, ["disbench: compiling the kernels, once ..."])
    assert sorted(folder.iterdir()) == entries
    assert score_anew(data) == (cold, [])


@pytest.mark.ci
@pytest.mark.slow
def test_a_command_without_a_writable_place_finishes_with_one_warning(tmp_path, make_pairs):
    data = make_pairs(tmp_path / "data", ["a"])
    (tmp_path / "a file").touch()
    scores, lines = score_anew(data, DISBENCH_CACHE=str(tmp_path / "a file"))
    assert scores["data"]["mae"] == 0
    assert lines == [
        f"disbench: warning: {tmp_path / 'a file'}: the cache cannot be written (Not a directory), so every command "
        "computes its content again; set DISBENCH_CACHE to a folder that can be written",
        "disbench: compiling the kernels ...",
    ]
