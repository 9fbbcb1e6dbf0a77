"""All caches are in one folder, which the user chooses, and `disbench doctor` shows them."""

import json
from pathlib import Path

import pytest
from command import call

from disbench.system import caches

STATE_KEYS = {"base", "files", "bytes", "writable"}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("DISBENCH_CACHE", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "root", "kernels"),
    [
        ({}, "/home/someone/.cache/disbench", "/home/someone/.cache/disbench/kernels-v1"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/disbench", "/x/disbench/kernels-v1"),
        ({"XDG_CACHE_HOME": "/x", "DISBENCH_CACHE": "/d"}, "/d", "/d/kernels-v1"),
        ({"XDG_CACHE_HOME": "", "DISBENCH_CACHE": ""}, "/home/someone/.cache/disbench", None),
        ({"DISBENCH_CACHE": "/d", "NUMBA_CACHE_DIR": "/n"}, "/d", "/n/disbench/kernels-v1"),
    ],
)
def test_one_rule_decides_where_all_caches_are(environment, variables, root, kernels):
    for name, value in variables.items():
        environment.setenv(name, value)
    assert caches.cache_root() == Path(root)
    assert caches.cache_folder("truths", "v1") == Path(root, "truths-v1")
    assert caches.kernel_cache_folder() == Path(kernels or f"{root}/kernels-v1")


def test_a_user_without_a_home_has_a_cache_that_cannot_be_written(environment):
    def refuse():
        raise RuntimeError("Could not determine home directory.")

    environment.setattr(caches.Path, "home", refuse)
    with pytest.raises(OSError, match="Not a directory"):
        caches.check_writable(caches.cache_root())
    assert not any(state.writable for state in caches.list_caches().values())


def test_doctor_shows_each_cache_with_its_size(tmp_path, environment):
    environment.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    environment.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    for name, size in {
        "cache/truths-v1/a.png": 1_500_000,
        "cache/truths-v0/b.png": 500_000,
        "cache/dis-mini-v1/DIS-VD/im/a.jpg": 300_000,
        "cache/kernels-v1/not-used.nbc": 7,
        "numba/disbench/kernels-v1/x.nbc": 100_000,
        "numba/other.nbc": 9,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size))
    listed = json.loads(call("doctor", "--json").stdout)["caches"]
    assert {kind: (state["files"], state["bytes"], state["writable"]) for kind, state in listed.items()} == {
        "kernels": (1, 100_000, True),
        "truths": (2, 2_000_000, True),
        "digests": (0, 0, True),
        "parquet": (0, 0, True),
        "latents": (0, 0, True),
        "dis-mini": (1, 300_000, True),
        "weights": (0, 0, True),
    }
    assert all(state.keys() == STATE_KEYS for state in listed.values())
    lines = call("doctor").stdout.splitlines()
    assert f"cache of kernels: 1 files, 0.1 MB, in {tmp_path / 'numba' / 'disbench'}" in lines
    assert "cache of truths: 2 files, 2.0 MB" in lines
    assert not (tmp_path / "cache" / "digests-v1").exists()


def test_doctor_says_what_to_set_where_a_cache_cannot_be_written(tmp_path, environment):
    (tmp_path / "a file").touch()
    environment.setenv("DISBENCH_CACHE", str(tmp_path / "a file"))
    lines = call("doctor").stdout.splitlines()
    for kind in caches.KINDS:
        fault = "cannot be written, set DISBENCH_CACHE to a folder that can be written"
        assert f"cache of {kind}: 0 files, 0.0 MB; {fault}" in lines
    listed = json.loads(call("doctor", "--json").stdout)["caches"]
    assert [state["writable"] for state in listed.values()] == [False] * len(caches.KINDS)


def test_clearing_removes_kernels_too(tmp_path, environment):
    environment.setenv("DISBENCH_CACHE", str(tmp_path))
    environment.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))  # the user's, which others may use
    kernel, other = tmp_path / "kernels-v0" / "a.nbc", tmp_path / "numba" / "disbench" / "kernels-v1" / "b.nbc"
    for path in (kernel, other):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"12")
    assert "removed 1 files, 0.0 MB" in call("data", "clear-cache").stdout
    assert (kernel.exists(), other.exists()) == (False, True)
