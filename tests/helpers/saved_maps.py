"""Soft predictions of images of several sizes, and what `disbench score` says of their saved maps."""

import json

import cv2
import numpy as np
from command import call
from image_files import write

from disbench.metrics.protocols import PROTOCOLS

EVERY = ",".join(PROTOCOLS)
NAMES = ["Bike", "a", "a-1", "a1", "chair", "d"]  # as `disbench score` sorts them: a, a-1, a1, Bike, chair, d
IN_ORDER = [1, 2, 3, 0, 4, 5]
KEYS = "all,hce,biou_max,msiou_binary"


def draw_pairs():
    """Predictions float32 0 to 1 and ground truths uint8, one pair for each of NAMES.

    One truth is empty. Another is grey, with levels between half of its maximum, 100, and 128.
    """
    pairs = []
    for seed in range(len(NAMES)):
        rng = np.random.default_rng(seed)
        truth = np.zeros((20 + 3 * seed, 31), np.uint8)
        if seed != 4:
            cv2.circle(truth, (8 + seed, 10), 5 + seed % 3, 255, -1)
        if seed == 5:
            truth = cv2.circle(np.minimum(truth, 200), (8 + seed, 10), 3, 110, -1)
        soft = cv2.GaussianBlur(truth, (0, 0), 1.5) / 255 * 0.8 + rng.random(truth.shape) * 0.2
        pairs.append((soft.astype(np.float32), truth))
    return pairs


def save_pairs(folder, levels, truths, names=NAMES):
    for kind, arrays in (("maps", levels), ("gt", truths)):
        (folder / kind).mkdir()
        for name, array in zip(names, arrays, strict=True):
            write(folder / kind / f"{name}.png", array)


def score_saved(folder, metrics=KEYS, protocols=EVERY):
    """{"protocol/metric": score} of maps/ and gt/, by the command line."""
    options = ("--protocol", protocols, "--metrics", metrics, "--out", folder / "runs", "--json")
    result = call("score", folder / "maps", "--truth", folder / "gt", *options)
    assert result.exit_code == 0, result.output
    scores = {}
    for document in json.loads(result.stdout):
        (subset,) = document["scores"].values()
        scores |= {f"{document['protocol']}/{key}": value for key, value in subset.items()}
    return scores
