"""A model that was used may be used in a forked process, whose libraries lack the threads of its parent."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from disbench.system import forks

ROOT = Path(__file__).parents[2]
FORKED = '''
import multiprocessing, os, sys
import numpy as np
import torch
sys.path.insert(0, "tests/helpers")
import disbench
torch.set_num_threads(4)
image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
model = MODEL
expected = model.predict(image)

def predict():
    same = np.array_equal(model.predict(image), expected)
    again = np.array_equal((MODEL).predict(image), expected)
    os._exit(not (same and again))  # as multiprocessing ends a process

child = multiprocessing.get_context("fork").Process(target=predict)
child.start()
child.join()
if child.exitcode:
    sys.exit("a map differs")
if not (process := os.fork()):
    predict()
sys.exit(os.waitpid(process, 0)[1] != 0)
'''


@pytest.mark.slow  # a new Python with torch
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, processes are not forked")
@pytest.mark.parametrize("name", ["otsu", "isnet", "onnx"])
def test_a_forked_process_predicts_the_same_maps(name, tmp_path):
    model = {
        "otsu": 'disbench.load("otsu")',
        "isnet": 'disbench.load("isnet", "untrained", "cpu", size="128")',
        "onnx": 'disbench.load(PATH, device="cpu", mean="0", std="1", size="480x640", output="map")',
    }[name]
    if name == "onnx":
        pytest.importorskip("onnxruntime")
        from onnx_files import onnx_file

        model = model.replace("PATH", repr(str(onnx_file(tmp_path / "a.onnx"))))
    code = FORKED.replace("MODEL", model)
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr


ENDED = '''
import os, sys
import numpy as np
import disbench
image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
model = disbench.load(sys.argv[1], device="cpu", mean="0", std="1", size="48x64", output="map")
expected = model.predict(image)
for is_used in (False, True):
    if not (process := os.fork()):
        same = not is_used or np.array_equal(model.predict(image), expected)
        print("written", end="")  # which only the end of Python flushes
        sys.exit(3 if same else 4)
    if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) != 3:
        sys.exit("another exit status")
'''


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, exit handlers cannot be skipped")
def test_a_process_forked_after_an_onnx_file_was_used_ends_with_its_status(tmp_path):
    pytest.importorskip("onnxruntime")
    from onnx_files import onnx_file

    command = [sys.executable, "-W", "ignore", "-c", ENDED, str(onnx_file(tmp_path / "a.onnx"))]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (0, "writtenwritten"), ran.stderr


def test_only_a_forked_process_computes_in_a_new_thread(monkeypatch):
    current = forks.survive_fork(threading.current_thread)
    assert current() is threading.current_thread()
    monkeypatch.setattr(forks, "_process", -1)
    assert current() is not threading.current_thread()
    assert forks.survive_fork(lambda: (current(), threading.current_thread()))() != threading.current_thread()


def test_an_error_of_a_forked_process_is_the_functions_own(monkeypatch):
    monkeypatch.setattr(forks, "_process", -1)
    with pytest.raises(ZeroDivisionError):
        forks.survive_fork(lambda: 1 / 0)()
