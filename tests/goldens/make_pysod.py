"""Freeze PySODMetrics' answers into pysod.npz, next to this file.

It pins packages of its own, so run it in an environment of its own:

    python -m venv pysod-env && pysod-env/bin/pip install pysodmetrics==1.6.2
    pysod-env/bin/python tests/goldens/make_pysod.py
"""

import warnings
from pathlib import Path

import cv2
import numpy as np
import py_sod_metrics as sod

warnings.filterwarnings("ignore")


def wheel(h, w):
    truth = np.zeros((h, w), np.uint8)
    centre, radius = (w // 2, h // 2), int(0.42 * min(h, w))
    cv2.circle(truth, centre, radius, 255, 2)
    for angle in np.linspace(0, 2 * np.pi, 23, endpoint=False):
        rim = (int(centre[0] + radius * np.cos(angle)), int(centre[1] + radius * np.sin(angle)))
        cv2.line(truth, centre, rim, 255, 1)
    return truth


def hairs(h, w, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.zeros((h, w), np.uint8)
    for _ in range(12):
        start = rng.uniform((0, 0), (w, h))
        steps = rng.normal(0, 4, (14, 2)) + rng.normal(0, 5, 2)
        cv2.polylines(truth, [(start + steps.cumsum(0)).astype(np.int32)], False, 255, 1)
    return truth


def blobs(h, w, seed=0, above=0.05, spread=6):
    noise = np.random.default_rng(seed).normal(0, 1, (h, w)).astype(np.float32)
    return (cv2.GaussianBlur(noise, (0, 0), spread) > above).astype(np.uint8) * 255


def stripes(h, w, step):
    """Foreground columns at equal distances: every pixel half way has two nearest ones."""
    truth = np.zeros((h, w), np.uint8)
    truth[:, ::step] = 255
    return truth


def grid_of_dots(h, w, step):
    truth = np.zeros((h, w), np.uint8)
    truth[::step, ::step] = 255
    return truth


def at(h, w, *pixels):
    truth = np.zeros((h, w), np.uint8)
    for y, x in pixels:
        truth[y, x] = 255
    return truth


def soft(truth, seed=0, blur=1.2, noise=0.5, gain=9.0, low=0, high=255):
    """What a network makes of it: blurred edges, patches that are missed or invented, levels low..high."""
    rng = np.random.default_rng(seed)
    h, w = truth.shape
    edges = cv2.GaussianBlur(truth.astype(np.float32) / 255, (0, 0), blur)
    patches = cv2.resize(rng.normal(0, 1, (6, 6)).astype(np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
    logits = gain * (edges - 0.45) + 2 * patches + noise * rng.normal(0, 1, (h, w))
    return np.round(low + (high - low) / (1 + np.exp(-logits))).astype(np.uint8)


def levels(h, w, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (h, w), np.uint8)


def full(h, w, level):
    return np.full((h, w), level, np.uint8)


def pairs():
    """name -> (mask, truth)"""
    thin, hair, blob, many = wheel(200, 300), hairs(181, 257), blobs(97, 131), blobs(120, 160, 3, 0.0, 2)
    lines, dots, lone = stripes(60, 97, 8), grid_of_dots(50, 70, 10), at(210, 300, (3, 5))
    ramp = np.tile(np.arange(131, dtype=np.uint8), (97, 1))
    small, point = blobs(40, 52, 5, 0.0, 4), at(33, 47, (20, 11))
    grey = np.random.default_rng(8).integers(100, 160, (45, 67), np.uint8)
    return {
        "wheel, typical": (soft(thin, 1, noise=0.1), thin),
        "wheel, sharp": (soft(thin, 2, blur=0.8, noise=0, gain=20), thin),
        "wheel, narrow range": (soft(thin, 3, noise=0.1, low=3, high=248), thin),
        "wheel, poor": (soft(thin, 4, blur=3, noise=0.3, gain=4), thin),
        "hairs, typical": (soft(hair, 5), hair),
        "hairs, noisy": (soft(hair, 6, noise=1.5, low=12, high=201), hair),
        "hairs, inverted": (255 - soft(hair, 7), hair),
        "hairs, perfect": (hair, hair),
        "blobs, typical": (soft(blob, 8), blob),
        "blobs, noise": (levels(97, 131), blob),
        "blobs, ramp": (ramp, blob),
        "blobs, nothing found": (full(97, 131, 0), blob),
        "blobs, all found": (full(97, 131, 255), blob),
        "blobs, constant 77": (full(97, 131, 77), blob),
        "blobs, constant 128": (full(97, 131, 128), blob),
        "blobs, binary": ((soft(blob, 9) > 127).astype(np.uint8) * 255, blob),
        "blobs, two levels": (np.where(soft(blob, 9) > 127, 180, 60).astype(np.uint8), blob),
        "many, typical": (soft(many, 10), many),
        "many, noisy": (soft(many, 11, noise=2, low=5, high=243), many),
        "stripes, noise": (levels(60, 97, 1), lines),
        "stripes, typical": (soft(lines, 12), lines),
        "stripes of rows, noise": (levels(97, 60, 2), np.ascontiguousarray(lines.T)),
        "dots, noise": (levels(50, 70, 3), dots),
        "far from the only pixel": (levels(210, 300, 4) // 16 * 16, lone),
        "one pixel, typical": (soft(point, 13), point),
        "one pixel, constant 77": (full(33, 47, 77), point),
        "one pixel, constant 128": (full(33, 47, 128), point),
        "two pixels, noise": (levels(21, 34, 5), at(21, 34, (2, 2), (18, 30))),
        "grey truth": (levels(45, 67, 6), grey),
        "no truth, typical": (soft(small, 14), full(40, 52, 0)),
        "no truth, nothing found": (full(40, 52, 0), full(40, 52, 0)),
        "no truth, constant": (full(40, 52, 200), full(40, 52, 128)),
        "all truth, typical": (soft(small, 15), full(40, 52, 255)),
        "all truth, perfect": (full(40, 52, 255), full(40, 52, 129)),
        "all truth, constant": (full(40, 52, 9), full(40, 52, 255)),
        "all but one pixel": (soft(255 - point, 16), 255 - point),
        "foreground at the border": (soft(small, 17), np.pad(full(36, 48, 0), 2, constant_values=255)),
        "centroid in the last row": (levels(30, 41, 7), at(30, 41, *((29, x) for x in range(3, 30)))),
        "one row": (levels(1, 77, 8), np.where(np.arange(77) % 9 < 4, 255, 0).astype(np.uint8)[None]),
        "one column": (levels(77, 1, 9), np.where(np.arange(77) % 9 < 4, 255, 0).astype(np.uint8)[:, None]),
        "two pixels in all": (np.array([[10, 200]], np.uint8), np.array([[0, 255]], np.uint8)),
        "one pixel in all": (full(1, 1, 40), full(1, 1, 255)),
        "two by two": (levels(2, 2, 10), at(2, 2, (0, 0))),
        "three by five": (levels(3, 5, 11), at(3, 5, (0, 0), (0, 1), (1, 0))),
    }


def answers(mask, truth):
    results = {}
    for cls in (sod.Fmeasure, sod.Emeasure, sod.Smeasure, sod.WeightedFmeasure, sod.MAE):
        metric = cls()
        metric.step(mask, truth)
        results |= metric.get_results()
    return {
        # From threshold 255 down in PySODMetrics, from 0 up here.
        "precision": results["pr"]["p"][::-1],
        "recall": results["pr"]["r"][::-1],
        "f": results["fm"]["curve"][::-1],
        "e": results["em"]["curve"][::-1],
        "f_adaptive": results["fm"]["adp"],
        "e_adaptive": results["em"]["adp"],
        "s_measure": results["sm"],
        "f_weighted": results["wfm"],
        "mae": results["mae"],
    }


if __name__ == "__main__":
    frozen = pairs()
    rows = [answers(*pair) for pair in frozen.values()]
    np.savez_compressed(
        Path(__file__).with_name("pysod.npz"),
        names=np.array(list(frozen)),
        **{key: np.array([row[key] for row in rows]) for key in rows[0]},
        **{f"mask{i}": mask for i, (mask, _) in enumerate(frozen.values())},
        **{f"truth{i}": truth for i, (_, truth) in enumerate(frozen.values())},
    )
