"""Scores are the same bytes from a cold and a warm cache, for any number of workers and any instruction set."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from image_files import write
from numpy._core._multiarray_umath import __cpu_dispatch__

from disbench.metrics.catalogue import METRICS
from disbench.metrics.measurement import measure
from disbench.metrics.protocols import PROTOCOLS

# Without AVX, FMA and what came later: kernels, NumPy, its BLAS, OpenCV, and the C library of Linux.
OLD_PROCESSOR = {
    "NUMBA_CPU_NAME": "generic",
    "NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__),
    "OPENBLAS_CORETYPE": "Prescott",
    "OPENCV_CPU_DISABLE": "AVX,AVX2,FMA3,FP16,AVX512-SKX",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-FMA,-FMA4",
}
EXACT = [key for key in METRICS if key != "context"]  # OpenCV decides the last bits of context
METRIC_KEYS = ",".join(key for key in EXACT if not key.endswith("_unknown"))

# Stored values of the pair below, computed on OLD_PROCESSOR.
EXPECTED = {
    "alpha_mse": "0x1.32202eec6d2c1p-3",
    "alpha_mse_unknown": "0x1.33f77f4b5bb05p-3",
    "biou_binary": "0x1.e651db15aaef2p-3",
    "biou_mean": "0x1.b96c86c06244ep-3",
    "boundary_f_binary": "0x1.9aa7dcee1a723p-1",
    "boundary_recall": "0x1.2b8264ed1de77p-1",
    "conn": "0x1.f76dab1bbf96ap+2",
    "conn_unknown": "0x1.32fcb7154a8a0p+2",
    "f_weighted": "0x1.af0cc482974c2p-2",
    "f_weighted.diffdis": "0x1.22036776384f3p-1",
    "f_weighted.mvanet": "0x1.af0ca93bfea5ep-2",
    "f_weighted.mvanet-2024-11": "0x1.af0cc482974c2p-2",
    "f_weighted.pdfnet": "0x1.af0cc482974c3p-2",
    "grad": "0x1.f53ab41607226p+1",
    "grad_unknown": "0x1.5a32c7bd625d5p+1",
    "mad": "0x1.597b50fdb4a91p-2",
    "mad_unknown": "0x1.5aae97d66a539p-2",
    "mae_grey": "0x1.544b50fcb36e1p-2",
    "mba": "0x1.7fd9acc337fdap-1",
    "msiou_adaptive": "0x1.c0fb042f95b0ap-1",
    "msiou_binary": "0x1.fd40e3e7f8dfep-1",
    "msiou_mean": "0x1.d3e5ea054c058p-1",
    "s_measure": "0x1.2e9775ebb04cbp-1",
    "s_measure.birefnet": "0x1.2e9775ebb04cbp-1",
    "s_measure.diffdis": "0x1.15a2ecc2867d0p-1",
    "s_measure.mvanet": "0x1.2e9be06a760b8p-1",
    "s_measure.mvanet-2024-11": "0x1.2e9be21d7cd00p-1",
    "s_measure.pdfnet": "0x1.2e97b870f1ed0p-1",
    "sad": "0x1.031c7cbe477edp+3",
    "sad_unknown": "0x1.380388a75fb1ap+2",
    "size_ber_adaptive": "0x1.0fb547bf78240p-6",
    "size_f_adaptive": "0x1.afb44ae789d9dp-1",
    "size_f_binary": "0x1.b7da227bbddffp-1",
    "size_f_max": "0x1.c4460faec338ep-1",
    "size_f_mean": "0x1.783cdc3d6e2d6p-1",
    "size_iou_max": "0x1.b4fb2b78c1352p-1",
    "size_kappa_mean": "0x1.53660cd120358p-1",
    "size_mae": "0x1.544b50fcb36e1p-2",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pairs of several widths, with thin structure, soft maps, and one that is wrong everywhere."""
    folder = tmp_path_factory.mktemp("data")
    for kind in ("im", "gt", "maps"):
        (folder / kind).mkdir()
    rng = np.random.default_rng(11)
    for i, (height, width) in enumerate([(90, 333), (200, 64), (120, 257), (64, 700)]):
        truth = np.zeros((height, width), np.uint8)
        for _ in range(25):
            start, end = rng.integers(0, (width, height), (2, 2)).tolist()
            cv2.line(truth, start, end, 255, int(rng.integers(1, 4)))
        cv2.circle(truth, (width // 3, height // 2), 20, 255, -1)
        noise = rng.integers(0, 256, truth.shape, np.uint8)
        mask = 255 - truth if i == 3 else cv2.addWeighted(cv2.GaussianBlur(truth, (0, 0), 2), 0.6, noise, 0.37, 3)
        for kind, array in (("im", truth), ("gt", truth), ("maps", mask)):
            write(folder / kind / f"{i}.png", array)
    return folder


def score_anew(folder, out, workers=1, **environment):
    """Score in a new process. Returns the stored bytes of all images, and all scores of the data set."""
    command = [sys.executable, "-m", "disbench", "score", folder / "maps", "--data", folder, "--out", out, "--json"]
    options = ["--workers", str(workers), "--metrics", METRIC_KEYS, "--protocol", ",".join(PROTOCOLS)]
    ran = subprocess.run([*command, *options], capture_output=True, cwd=folder, env=os.environ | environment)
    assert ran.returncode == 0, ran.stderr
    [scores] = out.rglob("scores.parquet")
    return scores.read_bytes(), [(table["signature"], table["scores"]) for table in json.loads(ran.stdout)]


@pytest.mark.slow
def test_scores_are_the_same_bytes_everywhere(folder, tmp_path):
    cold = score_anew(folder, tmp_path / "cold", NUMBA_CACHE_DIR=str(tmp_path / "kernels"))
    assert score_anew(folder, tmp_path / "warm", NUMBA_CACHE_DIR=str(tmp_path / "kernels")) == cold
    for workers in (2, 3, 0):
        assert score_anew(folder, tmp_path / f"{workers} workers", workers) == cold
    old = OLD_PROCESSOR | {"NUMBA_CACHE_DIR": str(tmp_path / "old kernels")}
    for out in ("compiled for an old processor", "loaded for an old processor"):
        assert score_anew(folder, tmp_path / out, 2, **old) == cold


@pytest.mark.ci
@pytest.mark.slow
def test_stored_values_have_the_bits_that_other_processors_compute():
    y, x = np.ogrid[:120, :200]
    truth = np.where(((7 * x + 3 * y) % 61 < 5) | ((x - 90) ** 2 + (y - 40) ** 2 < 900), np.uint8(255), np.uint8(0))
    mask = truth // 3 + np.random.default_rng(2).integers(3, 170, truth.shape, np.uint8)
    trimap = np.where(x < 120, np.uint8(128), truth)
    values = measure(mask, truth, ",".join(PROTOCOLS), EXACT, trimap=trimap).values
    assert {key: values[key].hex() for key in EXPECTED} == EXPECTED
