"""Freeze the losses of six code bases on logits of tests/helpers/filled_weights.py into losses.json.

    git clone https://github.com/ZhengPeng7/BiRefNet && git -C BiRefNet checkout 25cb930
    git clone https://github.com/qianyu-dlut/MVANet && git -C MVANet checkout edecec5
    git clone https://github.com/plemeri/InSPyReNet && git -C InSPyReNet checkout 692ad8a
    git clone https://github.com/iCVTEAM/PGNet && git -C PGNet checkout fe79ada
    git clone https://github.com/hzhupku/IFA && git -C IFA checkout 70baac8
    git clone https://github.com/cedricgsh/ISDNet && git -C ISDNet checkout 7341335
    cd CLONES && python CHECKOUT/tests/goldens/make_losses.py

Functions and classes are extracted from their files, without these files' imports. The file here was made with torch
2.13.0.
"""

import ast
import json
import math
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import cv2
import numpy as np
import torch
from torch import nn
from torch.autograd import Variable
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from filled_weights import GOLDENS, loss_maps, loss_masks

NAMES = {"torch": torch, "nn": nn, "F": functional, "Variable": Variable, "exp": math.exp, "np": np, "cv2": cv2}


def extract_names(path: str, *names: str, **more) -> SimpleNamespace:
    """Run only the definitions of these names in a file."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if getattr(node, "name", None) in names]
    space = NAMES | more
    exec(compile(tree, path, "exec"), space)
    return SimpleNamespace(**{name: space[name] for name in names})


def birefnet() -> float:
    config = extract_names("BiRefNet/config.py", "Config", os=os, math=math).Config
    names = ("PixLoss", "IoULoss", "SSIMLoss", "gaussian", "create_window", "_ssim")
    loss = extract_names("BiRefNet/loss.py", *names, Config=config).PixLoss()
    return loss(loss_maps("birefnet", 40, 20), loss_masks(40))[0]


def mvanet() -> float:
    loss = extract_names("MVANet/train.py", "structure_loss").structure_loss
    return loss(*loss_maps("mvanet", 40), loss_masks(40))


def inspyrenet() -> float:
    names = ("bce_loss", "weighted_bce_loss", "iou_loss", "weighted_bce_loss_with_logits", "iou_loss_with_logits")
    losses = extract_names("InSPyReNet/lib/optim/losses.py", *names)
    net = SimpleNamespace(
        forward_inspyre=lambda x: {"saliency": loss_maps("inspyrenet", 8, 16, 32, 64), "laplacian": (0, 0, 0)},
        image_pyramid=extract_names("InSPyReNet/lib/modules/layers.py", "ImagePyramid").ImagePyramid(7, 1),
        pc_loss_fn=nn.L1Loss(),
        des=lambda x, size: functional.interpolate(x, size=size, mode="nearest"),
        sod_loss_fn=lambda x, y: (
            losses.weighted_bce_loss_with_logits(x, y, reduction="mean")
            + losses.iou_loss_with_logits(x, y, reduction="mean")
        ),
    )
    theirs = extract_names("InSPyReNet/lib/InSPyReNet.py", "InSPyReNet").InSPyReNet
    return theirs.forward_train(net, {"image": torch.zeros(2, 3, 64, 64), "gt": loss_masks(64)})["loss"]


def pgnet() -> float:
    theirs = extract_names("PGNet/src/train_distributed.py", "flat", "att_loss", "bce_iou_loss")
    (last, local, overall, attention), masks = loss_maps("pgnet", 56, 28, 28, 784), loss_masks(56)
    sides = theirs.bce_iou_loss(local, masks) * 0.125 + theirs.bce_iou_loss(overall, masks) * 0.125
    return theirs.bce_iou_loss(last, masks) + sides + theirs.att_loss(attention, masks, local, overall)


def ifa() -> float:
    theirs = extract_names("IFA/pyseg/utils/loss_helper.py", "CriterionOhem", "OhemCrossEntropy2dTensor")
    two = [torch.cat((0 * x, x), 1) for x in loss_maps("ifa", 40, 40)]
    return theirs.CriterionOhem(0.4, thresh=0.7, min_kept=1000)(two, loss_masks(40)[:, 0].long())


def isdnet() -> float:
    heads = MagicMock()
    heads.register_module.return_value = lambda head: head
    names = {"HEADS": heads, "BaseCascadeDecodeHead": object}
    head = extract_names("ISDNet/mmseg/models/decode_heads/isdhead.py", "ISDHead", **names).ISDHead
    deep, decoded = (x.unflatten(2, (8, -1)).flatten(1, 2) for x in loss_maps("isdnet", 40, 80))
    return head.feature_affinity_loss(None, deep, decoded)["fa_loss"]


if __name__ == "__main__":
    answers = {loss.__name__: float(loss()) for loss in (birefnet, mvanet, inspyrenet, pgnet, ifa, isdnet)}
    (GOLDENS / "losses.json").write_text(json.dumps(answers, indent=1) + "\n")
