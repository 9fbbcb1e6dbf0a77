"""A bad value of an environment variable is one line and exit status 2, not a traceback of another package."""

import json
import os
import subprocess
import sys

import pytest
from command import call

from disbench.data.hub import download_dataset
from disbench.errors import InputError
from disbench.registry.loading import get_card, import_attribute
from disbench.system.environment import describe_environment
from disbench.system.network import can_connect
from disbench.system.variables import SPINS, import_numba, read_count

THREADS = ("GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS")
# Runs a command as `disbench` does, then prints the variables that it set, and those of an external program.
PRINT_VARIABLES = """
import json, os, sys
from disbench.__main__ import main
from disbench.system.variables import user_variables
try:
    main()
except SystemExit:
    print(json.dumps([dict(os.environ), user_variables()]))
"""


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


def test_a_function_that_numba_cannot_be_loaded_for_raises_the_same_error():
    code = "import disbench, numpy as np; x = np.zeros((8, 8), np.uint8); disbench.measure(x, x)"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "NUMBA_NUM_THREADS": "0"},
        capture_output=True,
        text=True,
    )
    assert ran.stderr.splitlines()[-1].startswith("disbench.errors.InputError: NUMBA_NUM_THREADS=0: ")


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


@pytest.mark.parametrize(
    "own, expected",
    [
        ({}, {"GOMP_SPINCOUNT": SPINS, "OPENBLAS_NUM_THREADS": "1"}),
        ({"GOMP_SPINCOUNT": "7", "OPENBLAS_NUM_THREADS": "5"}, {}),
        ({"OMP_WAIT_POLICY": "ACTIVE", "OMP_NUM_THREADS": "3"}, {}),
    ],
)
def test_a_command_sets_how_threads_wait_unless_the_user_did(own, expected):
    others = {name: value for name, value in os.environ.items() if name not in THREADS}
    ran = subprocess.run(
        [sys.executable, "-c", PRINT_VARIABLES, "--version"],
        env=others | {"PYTHONPATH": os.pathsep.join(sys.path)} | own,
        capture_output=True,
        text=True,
        check=True,
    )
    inside, for_others = json.loads(ran.stdout.splitlines()[-1])
    assert {name: inside[name] for name in THREADS if name in inside} == own | expected
    assert {name: for_others[name] for name in THREADS if name in for_others} == own


def test_a_run_records_how_threads_wait(monkeypatch):
    pytest.importorskip("torch")
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    assert describe_environment()["openmp"] == {}
    monkeypatch.setenv("GOMP_SPINCOUNT", SPINS)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # decides no time of a network
    assert describe_environment()["openmp"] == {"GOMP_SPINCOUNT": SPINS}
