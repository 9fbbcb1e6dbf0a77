"""What many tests need: small data sets on disk, and a place of their own for caches."""

import os
from pathlib import Path

# Threads of torch that have nothing to do sleep, so that they take no core from other threads and processes. NumPy's
# matrix products get one thread each, as in the commands. Before the imports, since NumPy reads its variable then.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from image_files import write

from disbench.system import progress
from disbench.system.caches import cache_root
from disbench.system.memory import collect_less

collect_less()  # as in the commands

# Tests have caches of their own, but share the compiled kernels. Subprocesses inherit this.
os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_root().parent))
# Tests see the output of a pipe, whatever the width of the terminal that pytest, or its parent process, runs in.
os.environ.pop("COLUMNS", None)
# No test fails for being slow.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(autouse=True, scope="session")
def compilation_is_not_announced():
    """Whether the first tests must compile kernels does not decide what their commands print."""
    lines = ("compiling the kernels", "compiling the kernels, once", "still compiling the kernels")
    progress._announced |= {f"{line} ..." for line in lines}


@pytest.fixture(autouse=True, scope="session")
def commands_leave_no_output_in_the_checkout():
    outputs = [Path(__file__).parents[1] / name for name in ("predictions", "runs", "suites", "timings")]
    missing = [path for path in outputs if not path.exists()]
    yield
    assert not [str(path) for path in missing if path.exists()]


@pytest.fixture(autouse=True)
def no_data_from_outside(monkeypatch):
    monkeypatch.delenv("DISBENCH_DATA", raising=False)


@pytest.fixture
def shared_bootstraps(monkeypatch):
    """Bootstraps of the same images are computed once, for tests that look at other things."""
    from remembered import share_bootstraps

    share_bootstraps(monkeypatch.setattr)


@pytest.fixture(scope="session")
def make_pairs():
    """make_pairs(folder, names): im/*.jpg and gt/*.png of 24 x 32 with a disc each; returns the folder."""

    def make(folder, names, truth_suffix=".png"):
        for kind in ("im", "gt"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
        for seed, name in enumerate(names):
            rng = np.random.default_rng(seed)
            truth = np.zeros((24, 32), np.uint8)
            cv2.circle(truth, (8 + seed % 16, 12), 6, 255, -1)
            image = rng.integers(0, 80, (24, 32, 3), np.uint8) + truth[..., None] // 2
            write(folder / "im" / f"{name}.jpg", image)
            write(folder / "gt" / f"{name}{truth_suffix}", truth)
        return folder

    return make
