"""Freeze errors of alpha mattes by the codes of P3M and GCA-Matting into matting.npz, next to this file.

    git clone https://github.com/JizhiziLi/P3M && git -C P3M checkout 9f9390f
    git clone https://github.com/Yaoyi-Li/GCA-Matting && git -C GCA-Matting checkout 5a999be
    python -m venv env && env/bin/pip install torch scikit-image scipy opencv-python-headless
    cd CLONES && env/bin/python CHECKOUT/tests/goldens/make_matting.py

P3M has the errors of the whole image, GCA-Matting those of the unknown region. The connectivity error of the latter is
not frozen: it may take the background for the largest part, and its own header advises against it. Levels are divided
by 255 in single precision, in which 153 / 255 is not below the threshold 0.6.
"""

import runpy
import sys
import types
import warnings
from pathlib import Path

import cv2
import numpy as np
import scipy.ndimage


def shape(height, width, seed, blur):
    """A soft truth of blobs and hairs."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 9)
    image = np.where(noise > 0.02, np.uint8(255), np.uint8(0))
    for _ in range(9):
        start, end = rng.integers(0, (width, height), (2, 2)).tolist()
        cv2.line(image, start, end, 255, 2)
    return cv2.GaussianBlur(image, (0, 0), blur)


def cases():
    """name -> (mask, truth, trimap)."""
    found = {}
    for seed, (height, width, blur) in enumerate([(45, 60, 2), (64, 33, 1), (60, 40, 4)]):
        truth = shape(height, width, seed, blur)
        rng = np.random.default_rng(seed + 50)
        noise = rng.normal(0, 30, truth.shape)
        mask = np.clip(cv2.GaussianBlur(truth, (0, 0), 1.5) + noise, 0, 255).astype(np.uint8)
        trimap = np.full_like(truth, 128)
        trimap[truth == 0], trimap[truth == 255] = 0, 255
        trimap = np.where(cv2.dilate(np.uint8(trimap == 128), np.ones((9, 9))) > 0, np.uint8(128), trimap)
        found[f"noisy {seed}"] = (mask, truth, trimap)
        found[f"wrong {seed}"] = (255 - mask, truth, trimap)
        found[f"perfect {seed}"] = (truth, truth, trimap)
        found[f"faint {seed}"] = (mask // 3, truth // 3, trimap)
        found[f"threshold {seed}"] = (np.where(truth > 99, 153, mask).astype(np.uint8), truth, trimap)
    return found


def shares(levels):
    return levels.astype(np.float32) / np.float32(255)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    morphology = types.ModuleType("scipy.ndimage.morphology")  # which newer SciPy no longer has
    morphology.distance_transform_edt = scipy.ndimage.distance_transform_edt
    sys.modules["scipy.ndimage.morphology"] = scipy.ndimage.morphology = morphology
    p3m, gca = runpy.run_path("P3M/core/evaluate.py"), runpy.run_path("GCA-Matting/utils/evaluate.py")
    frozen = {"names": list(cases())}
    rows = []
    for i, (mask, truth, trimap) in enumerate(cases().values()):
        soft, alpha = shares(mask), shares(truth)
        sad, mse, mad = p3m["calculate_sad_mse_mad_whole_img"](soft.astype(float), alpha.astype(float))
        grad = p3m["compute_gradient_whole_image"](soft, alpha)
        conn = p3m["compute_connectivity_loss_whole_image"](soft, alpha)
        levels = mask.astype(float), truth.astype(float), trimap
        unknown = gca["comput_sad_loss"](*levels)[0], gca["compute_mse_loss"](*levels)
        rows.append([sad, mad, mse, grad, conn, *unknown, gca["compute_gradient_loss"](*levels)])
        frozen |= {f"mask{i}": mask, f"truth{i}": truth, f"trimap{i}": trimap}
    keys = ["sad", "mad", "alpha_mse", "grad", "conn", "sad_unknown", "alpha_mse_unknown", "grad_unknown"]
    frozen |= {"keys": keys, "scores": rows}
    np.savez_compressed(Path(__file__).with_name("matting.npz"), **{key: np.array(v) for key, v in frozen.items()})
