"""A bad value of an environment variable is one line and exit status 2, not a traceback of another package."""

import os
import subprocess
import sys

import pytest
from command import call

from disbench.data.hub import download_dataset
from disbench.errors import InputError
from disbench.registry.loading import get_card, import_attribute
from disbench.system.network import can_connect
from disbench.system.variables import import_numba, read_count


@pytest.mark.parametrize("text", ["", "abc", "-1", "1.5", "9" * 5000, "١x"])
def test_a_variable_that_is_no_whole_number_is_named(text, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", text)
    with pytest.raises(InputError, match=r"^WORLD_SIZE=.*: must be a whole number from 0; correct or unset"):
        read_count("WORLD_SIZE", 1)


def test_a_variable_is_read_as_int_reads_it_and_need_not_be_set(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", " 08 ")
    assert read_count("WORLD_SIZE", 1) == 8
    monkeypatch.delenv("WORLD_SIZE")
    assert read_count("WORLD_SIZE", 1) == 1


def test_no_threads_for_numba_are_refused(monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "0")
    with pytest.raises(InputError, match=r"^NUMBA_NUM_THREADS=0: must be a whole number from 1"):
        import_numba()


@pytest.mark.parametrize("variable", ["NUMBA_NUM_THREADS=0", "NUMBA_OPT=9", "NUMBA_DEBUG=abc"])
def test_a_command_that_numba_cannot_be_loaded_for_ends_in_one_line(variable, make_pairs, tmp_path):
    """In a process of its own, since Numba reads its variables when it is imported."""
    folder = make_pairs(tmp_path / "d", ["a"])
    name, _, value = variable.partition("=")
    ran = subprocess.run(
        [sys.executable, "-m", "disbench", "score", f"m={folder / 'gt'}", "--data", str(folder), "--out", "runs"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), name: value},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"disbench: {variable}: ") and ran.stderr.count("\n") == 1, ran.stderr


@pytest.mark.parametrize("name", ["HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"])
@pytest.mark.parametrize("value", ["abc", ""])
def test_a_timeout_of_the_hub_that_is_no_number_is_refused_before_its_package_is_imported(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    calls = [lambda: download_dataset("hf:a/b"), lambda: import_attribute(get_card("otsu"), "predictor:Predictor")]
    for function in calls:
        with pytest.raises(InputError, match=f"^{name}={value}: must be a whole number from 0"):
            function()


def test_an_address_of_the_hub_that_is_none_is_refused():
    with pytest.raises(InputError, match=r"^http://\[x: .*correct the address, such as \$HF_ENDPOINT"):
        can_connect("http://[x")


def test_an_address_of_a_proxy_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://[x")
    with pytest.raises(InputError, match=r"^https://huggingface\.co: "):
        can_connect("https://huggingface.co")


def test_a_training_whose_number_of_processes_is_none_ends_in_one_line(monkeypatch, tmp_path):
    pytest.importorskip("diffusers")
    monkeypatch.setenv("WORLD_SIZE", "abc")
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    ran = call("train", "mini", "--data", "mini", "--out", tmp_path / "out")
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1), ran.stderr
    assert ran.stderr.startswith("disbench: WORLD_SIZE=abc: must be a whole number")
