"""The memory of a process: its peak, and how often it is searched for garbage."""

import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

from disbench.runs.spec import ModelSpec
from disbench.system import memory

MIB = 1 << 20
COLLECTS = """
import atexit, gc
atexit.register(lambda: print(gc.get_freeze_count() > 1000))
from disbench.system.memory import collect_less
collect_less()
print(gc.get_threshold()[0], gc.get_freeze_count())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc has the figures")
def test_the_peak_is_that_since_it_was_started():
    np.ones(64 * MIB)  # half a GiB, earlier
    before = memory.start_peak()
    assert memory.read_resident("VmHWM") - before < 16 * MIB
    np.ones(8 * MIB)
    peak = memory.read_resident("VmHWM") - before
    assert 60 * MIB < peak < 90 * MIB


def test_without_proc_the_memory_is_unknown(monkeypatch):
    monkeypatch.setattr(memory, "Path", lambda name: Path("/nowhere", name[1:]))
    assert memory.start_peak() is None and memory.read_resident("VmRSS") is None


def test_an_earlier_model_is_gone_before_the_next_is_loaded_on_cuda(monkeypatch):
    class Circle:
        pass

    circle = Circle()
    circle.itself = circle
    earlier = weakref.ref(circle)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    del circle
    ModelSpec(name="otsu").load()
    assert earlier() is None


def test_a_command_is_searched_for_garbage_less_often():
    ran = subprocess.run([sys.executable, "-c", COLLECTS], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [str(memory.ALLOCATIONS), "0", "True"]
