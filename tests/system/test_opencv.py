"""An OpenCV that cannot work is named in one line, with what to install."""

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import cv2
import pytest
from command import call

from disbench.errors import InputError
from disbench.system.opencv import check_opencv

BROKEN = {
    "empty": ("", "cv2 (without a version, "),
    "old": ("__version__ = '3.4'\ndef imdecode(): ...", "lacks IMREAD_COLOR_RGB"),
    "libGL": (
        "raise ImportError('libGL.so.1: cannot open shared object file')",
        "cannot be imported (libGL.so.1: cannot open",
    ),
}


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("empty", "data verify --data data"),
        ("old", "score maps --data data"),
        ("libGL", "run --model otsu --data data"),
        ("libGL", "curves run --out c.png"),
    ],
)
def test_a_command_with_a_broken_opencv_ends_in_one_line(kind, line, tmp_path, make_pairs):
    code, words = BROKEN[kind]
    (tmp_path / "cv2.py").write_text(code)
    make_pairs(tmp_path / "data", ["a"])
    paths = os.pathsep.join(map(str, (tmp_path, Path(__file__).parents[2])))
    environment = os.environ | {"PYTHONPATH": paths}
    command = [sys.executable, "-m", "disbench", *line.split()]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert ran.stderr.startswith("disbench: OpenCV: ")
    assert words in ran.stderr
    assert "pip install 'opencv-python-headless>=5.0'" in ran.stderr
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)


def test_an_empty_folder_in_the_place_of_opencv_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", ModuleType("cv2"))  # as of a folder without files
    with pytest.raises(InputError, match=r"cv2 \(without a version, an empty folder\) lacks IMREAD_COLOR_RGB"):
        check_opencv()


def test_an_opencv_that_works_is_accepted():
    check_opencv()


def test_doctor_reports_the_version_of_the_module_that_is_imported(monkeypatch):
    monkeypatch.setattr("disbench.doctor.installation.importlib.import_module", lambda name: None)  # for its time
    assert "reinstall it" not in call("doctor").stdout
    monkeypatch.setattr(cv2, "__version__", "4.10.0")
    done = call("doctor")
    assert done.exit_code == 0
    assert "opencv-python-headless 4.10.0" in done.stdout
    assert "opencv-python-headless: the module that is imported is 4.10.0, the package " in done.stdout
