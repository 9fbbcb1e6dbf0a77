"""Kernels are compiled next to the rendering and loading of a first run."""

import subprocess
import sys

import pytest

from disbench.runs import warmup
from disbench.runs.spec import MeasureSpec
from disbench.system import processes

MEASURES = MeasureSpec.parse("pysod,diffdis", "f_max,mae")


@pytest.fixture
def started(monkeypatch, tmp_path):
    """An empty cache of kernels, two cores, and a list of (arguments, process) of the processes that are started."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(processes, "count_cores", lambda: 2)
    begun, start = [], subprocess.Popen

    def start_sleeper(arguments, **options):
        begun.append((arguments, start([sys.executable, "-c", "import time; time.sleep(60)"], **options)))
        return begun[-1][1]

    monkeypatch.setattr(subprocess, "Popen", start_sleeper)
    return begun


def test_a_process_compiles_during_the_block_and_ends_with_it(started):
    with pytest.raises(KeyboardInterrupt), warmup.compile_ahead(MEASURES):
        ((arguments, process),) = started
        assert arguments[1:] == ["-P", "-m", "disbench.runs.warmup", "pysod,diffdis", "f_max,mae"]
        assert process.poll() is None
        raise KeyboardInterrupt
    assert process.poll() is not None


@pytest.mark.parametrize("reason", ["kernels", "one core"])
def test_no_process_is_started_without_need_or_a_core(reason, started, monkeypatch):
    if reason == "kernels":
        (folder := warmup.kernel_cache_folder()).mkdir(parents=True)
        (folder / "a.nbc").touch()
    else:
        monkeypatch.setattr(processes, "count_cores", lambda: 1)
    with warmup.compile_ahead(MEASURES):
        assert not started


@pytest.mark.slow
@pytest.mark.ci
def test_a_run_finds_all_its_kernels(monkeypatch, tmp_path, make_pairs):
    """In processes of their own, since the kernels of this one are compiled."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    monkeypatch.chdir(tmp_path)
    folder = make_pairs(tmp_path / "d", ["a"])
    subprocess.run([sys.executable, "-P", "-m", "disbench.runs.warmup", "pysod", "f_max,mae"], check=True)
    libraries = set((tmp_path / "kernels").rglob("*.nbc"))
    command = [sys.executable, "-m", "disbench", "run", "--model", "otsu", "--data", folder, "--out", "runs"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "compiling the kernels" not in ran.stderr
    assert libraries and set((tmp_path / "kernels").rglob("*.nbc")) == libraries  # of the report, too
