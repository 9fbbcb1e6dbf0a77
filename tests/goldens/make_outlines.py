"""Freeze DAVIS' boundary F, Depth Pro's boundary recall and HQ-SAM's boundary IoU into outlines.npz, next to this file.

    git clone https://github.com/davisvideochallenge/davis2017-evaluation
    git -C davis2017-evaluation checkout ac7c43f
    git clone https://github.com/apple/ml-depth-pro && git -C ml-depth-pro checkout 9efe5c1
    git clone https://github.com/SysCV/sam-hq && git -C sam-hq checkout fb181f8
    python -m venv env && env/bin/pip install torch scikit-image opencv-python-headless
    cd CLONES && env/bin/python CHECKOUT/tests/goldens/make_outlines.py

The pairs are those of make_pysod.py, read from its pysod.npz, and those that make_measures.py calls enlarged. DAVIS and
HQ-SAM score binary maps, so they are given the map above 1/2. Depth Pro scores depths by ratios of inverse depths, so
its function of inverse depths is given the levels of the map above its lowest.
"""

import runpy
import sys
import warnings
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import torch

ENLARGED = ("wheel, poor", "hairs, typical", "blobs, typical", "blobs, noise")


def pairs():
    stored = np.load(Path(__file__).with_name("pysod.npz"))
    found = {name: (stored[f"mask{i}"], stored[f"truth{i}"]) for i, name in enumerate(stored["names"].tolist())}
    for name in ENLARGED:
        mask, truth = (array.repeat(6, 0).repeat(6, 1) for array in found[name])
        found[f"{name}, enlarged"] = np.roll(mask, (2, 5), (0, 1)), truth
    return {name: pair for name, pair in found.items() if pair[0].size < 1_000_000}


def above_half(mask):
    units = mask / 255
    return ((units - units.min()) / (units.max() - units.min()) if mask.min() < mask.max() else units) > 0.5


def boundary_recall(code, mask, truth):
    above = (mask - mask.min() if mask.min() < mask.max() else mask).astype(float)
    thresholds, weights = code["get_thresholds_and_weights"](1.05, 1.25, 10)
    recalls = [code["edge_recall_matting"](above, truth > 128, t=float(t)) for t in thresholds]
    return np.sum(np.array(recalls) * weights)


def boundary_iou(code, mask, truth):
    logits = torch.from_numpy(np.where(above_half(mask), 1.0, -1.0))[None]
    return float(code["boundary_iou"](torch.from_numpy(truth)[None], logits))


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    sys.modules["torchvision"] = MagicMock(__version__="0.20")
    davis = runpy.run_path("davis2017-evaluation/davis2017/metrics.py")
    depth = runpy.run_path("ml-depth-pro/src/depth_pro/eval/boundary_metrics.py")
    hq = runpy.run_path("sam-hq/train/utils/misc.py")
    frozen = pairs()
    answers = {
        "boundary_f": [davis["db_eval_boundary"](truth > 128, above_half(mask)) for mask, truth in frozen.values()],
        "boundary_recall": [boundary_recall(depth, *pair) for pair in frozen.values()],
        "biou": [boundary_iou(hq, *pair) for pair in frozen.values()],
    }
    output = Path(__file__).with_name("outlines.npz")
    np.savez_compressed(output, names=np.array(list(frozen)), **{key: np.array(v) for key, v in answers.items()})
