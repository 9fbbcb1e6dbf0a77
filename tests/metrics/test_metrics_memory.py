"""Additional memory of measure() at its peak, as the system counts it, in a process that freed none before."""

import subprocess
import sys
from pathlib import Path

import pytest

SIZE = 2000, 3001  # ragged
MEASURE = f"""
import ctypes, re
from pathlib import Path
import numpy as np
from disbench.metrics.measurement import measure

def resident(which):
    return int(re.search(which + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

rng = np.random.default_rng(0)
truth = np.zeros({SIZE}, np.uint8)
truth[::97, ::89] = truth[500:700, 100:2000] = 255
mask = rng.integers(3, 249, {SIZE}, np.uint8)
measure(mask[:99, :199].copy(), truth[:99, :199].copy())  # compiles
ctypes.CDLL(None).malloc_trim(0)
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
before = resident("VmRSS")
measure(mask, truth)
print((resident("VmHWM") - before) / mask.size)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="counts as only Linux does")
def test_at_most_four_bytes_per_pixel_and_at_least_the_one_of_the_distances():
    process = subprocess.run([sys.executable, "-c", MEASURE], check=True, capture_output=True, text=True)
    assert 0.9 < float(process.stdout) < 4
