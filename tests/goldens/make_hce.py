"""Freeze the human correction efforts of their authors' code and of PySODMetrics into hce.npz, next to this file.

Both need packages of an environment of their own:

    git clone https://github.com/xuebinqin/DIS
    python -m venv pysod-env && pysod-env/bin/pip install pysodmetrics==1.6.2
    pysod-env/bin/python tests/goldens/make_hce.py DIS/IS-Net/hce_metric_main.py
"""

import runpy
import sys
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import py_sod_metrics as sod
from make_pysod import at, blobs, full, hairs, levels, soft, wheel
from skimage.morphology import skeletonize

# Minima and maxima of maps: stretched, the level half way is rounded up, up, to 0.5, down and down.
HALF_WAY = ((1, 69), (65, 91), (0, 254), (1, 35), (71, 189))


def rings(h, w):
    """Regions in the holes of regions."""
    truth = np.zeros((h, w), np.uint8)
    for radius in range(min(h, w) // 2 - 3, 5, -16):
        cv2.circle(truth, (w // 2, h // 2), radius, 255, 7)
    return truth


def disc(h, w, radius, hole):
    truth = np.zeros((h, w), np.uint8)
    cv2.circle(truth, (w // 2, h // 2), radius, 255, -1)
    cv2.circle(truth, (w // 2, h // 2), hole, 0, -1)
    return truth


def slabs(h, w):
    """Parts thick enough to be corrected, some of which touch, some at the border."""
    truth = np.zeros((h, w), np.uint8)
    for y, x, height, width in ((0, 0, 30, 40), (45, 10, 40, 25), (45, 35, 14, 60), (70, 70, 29, 33), (20, 60, 15, 15)):
        truth[y : y + height, x : x + width] = 255
    return truth


def grains(h, w, seed):
    """Ever denser from left to right, so that all neighbourhoods are met in thinning."""
    return (np.random.default_rng(seed).random((h, w)) < np.linspace(0.05, 0.98, w)).astype(np.uint8) * 255


def half_way(truth, lo, hi):
    """The left half is found, the right half is decided by how the level half way is rounded."""
    mask = np.where(truth == 255, hi, lo).astype(np.uint8)
    mask[:, mask.shape[1] // 2 :] = (lo + hi) // 2
    return mask


def shifted(array, rows, columns):
    return np.roll(array, (rows, columns), (0, 1))


def pairs():
    """name -> (mask, truth)"""
    blob, thick, ring, slab = blobs(97, 131), blobs(150, 190, 2, 0, 14), rings(160, 160), slabs(110, 120)
    thin, hair, many = wheel(150, 200), hairs(140, 180), blobs(90, 120, 3, 0.0, 2)
    small, point = blobs(40, 52, 5, 0.0, 4), at(33, 47, (20, 11))
    grey = np.random.default_rng(8).integers(100, 160, (45, 67), np.uint8)
    dashes = np.where(np.arange(77) % 9 < 4, 255, 0).astype(np.uint8)
    return {
        "wheel, typical": (soft(thin, 1, noise=0.1), thin),
        "wheel, poor": (soft(thin, 4, blur=3, noise=0.3, gain=4), thin),
        "hairs, typical": (soft(hair, 5, noise=0.1), hair),
        "hairs, half found": (shifted(hair, 3, 2), hair),
        "blobs, typical": (soft(blob, 8), blob),
        "blobs, noise": (levels(97, 131), blob),
        "blobs, inverted": (255 - blob, blob),
        "blobs, perfect": (blob, blob),
        "blobs, nothing found": (full(97, 131, 0), blob),
        "blobs, all found": (full(97, 131, 255), blob),
        "blobs, constant 127": (full(97, 131, 127), blob),
        "blobs, constant 128": (full(97, 131, 128), blob),
        "blobs, narrow range": (soft(blob, 9, noise=0.1, low=3, high=120), blob),
        "thick, shifted": (shifted(thick, 17, -11), thick),
        "thick, poor": (soft(thick, 6, blur=6, noise=0.1, gain=3), thick),
        "thick, dilated": (cv2.dilate(thick, np.ones((15, 15))), thick),
        "thick, eroded": (cv2.erode(thick, np.ones((15, 15))), thick),
        "rings, nothing found": (full(160, 160, 0), ring),
        "rings, inverted": (255 - ring, ring),
        "rings, shifted": (shifted(ring, 12, 9), ring),
        "rings for blobs": (ring, blobs(160, 160, 7, 0, 10)),
        "slabs, one by one": (np.where(np.arange(120) < 60, slab, 0).astype(np.uint8), slab),
        "slabs, transposed": (np.pad(slab, ((0, 10), (0, 0)))[:, :110].T.copy(), slab),
        "slabs for nothing": (slab, full(110, 120, 0)),
        "hole too wide": (disc(110, 110, 50, 33), disc(110, 110, 50, 13)),
        **{f"half way, {lo} to {hi}": (half_way(slab, lo, hi), slab) for lo, hi in HALF_WAY},
        "many, typical": (soft(many, 10), many),
        "grains, nothing found": (full(120, 160, 0), grains(120, 160, 1)),
        "grains, typical": (soft(grains(90, 130, 2), 11), grains(90, 130, 2)),
        "grains for grains": (grains(80, 100, 3), grains(80, 100, 4)),
        "one pixel, typical": (soft(point, 13), point),
        "one pixel, missed": (full(33, 47, 0), point),
        "all but one pixel": (soft(255 - point, 16), 255 - point),
        "grey truth": (levels(45, 67, 6), grey),
        "no truth, typical": (soft(small, 14), full(40, 52, 0)),
        "no truth, nothing found": (full(40, 52, 0), full(40, 52, 128)),
        "no truth, all found": (full(40, 52, 255), full(40, 52, 0)),
        "all truth, typical": (soft(small, 15), full(40, 52, 255)),
        "all truth, all found": (full(40, 52, 255), full(40, 52, 129)),
        "all truth, nothing found": (full(40, 52, 0), full(40, 52, 255)),
        "one row": (levels(1, 77, 8), dashes[None]),
        "one row, missed": (full(1, 77, 0), dashes[None]),
        "one column": (levels(77, 1, 9), dashes[:, None]),
        "one pixel in all, missed": (full(1, 1, 40), full(1, 1, 255)),
        "one pixel in all, found": (full(1, 1, 200), full(1, 1, 255)),
        "two by two": (levels(2, 2, 10), at(2, 2, (0, 0))),
    }


def pysod(mask, truth):
    metric = sod.HumanCorrectionEffortMeasure()
    metric.step(mask, truth)
    return metric.hces[0]


if __name__ == "__main__":
    # What that file imports for its own figures and progress bars.
    sys.modules |= dict.fromkeys(("matplotlib", "matplotlib.pyplot", "tqdm"), Mock())
    authors = runpy.run_path(sys.argv[1])["relax_HCE"]
    rows = {"mask": [], "truth": [], "skeleton": [], "authors": [], "pysod": []}
    for mask, truth in pairs().values():
        bones = skeletonize(truth > 128)
        answers = mask, truth, bones, authors(truth, mask, bones), pysod(mask, truth)
        for row, answer in zip(rows.values(), answers, strict=True):
            row.append(answer)
    arrays = {f"{key}{i}": array for key in ("mask", "truth", "skeleton") for i, array in enumerate(rows[key])}
    np.savez_compressed(
        Path(__file__).with_name("hce.npz"),
        names=np.array(list(pairs())),
        authors=np.array(rows["authors"], np.int64),
        pysod=np.array(rows["pysod"], np.int64),
        **arrays,
    )
