"""UDUN's training: mask, trunk and structure, each with a label.

The ground truth is divided as in LDF (Wei et al., Label Decoupling Framework, CVPR 2020). The trunk is the ground truth
weighted by the distance to its outline, the structure is the remainder. The loss is the binary cross entropy of all
three, and the IoU of the mask. The authors' code, which has no licence, was not read, so weights of 1 and this division
are unverified. The authors start from a ResNet trained on ImageNet.
"""

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._training import supervised
from disbench.models._training.losses import bce_of_logits, iou_of_logits
from disbench.models.udun.network import UDUN, detect_depth
from disbench.models.udun.predictor import DEVIATION, MEAN


class Training(supervised.Training):
    """UDUN's network and loss."""

    stages = ("udun",)
    multiple = 128
    depth = 50

    def network(self, stage: str, size: int) -> nn.Module:
        """Build the untrained network."""
        return UDUN(self.depth)

    def choose(self, state: dict[str, Tensor]) -> None:
        """Choose the backbone that a checkpoint has."""
        self.depth = detect_depth(state)

    def labels(self, masks: Tensor) -> Tensor:
        """Return masks and trunks: (b, 1, h, w) -> (b, 2, h, w)."""
        return torch.cat((masks, make_trunks(masks)), 1)

    def losses(self, net: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """(b, 3, h, w) and labels (b, 2, h, w), in [0, 1] -> the terms of the loss."""
        trunk, structure, mask = net(_normalised(images))
        masks, trunks = labels.chunk(2, 1)
        return {
            "mask": bce_of_logits(mask, masks) + iou_of_logits(mask, masks),
            "trunk": bce_of_logits(trunk, trunks),
            "structure": bce_of_logits(structure, masks - trunks),
        }

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        """(b, 3, h, w) in [0, 1] -> (b, h, w) in [0, 1]."""
        logits = net(_normalised(images))[2]
        return functional.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)[:, 0].sigmoid()


def make_trunks(masks: Tensor) -> Tensor:
    """Weight masks (b, 1, h, w) in [0, 1] by the distance to the outline over the image's largest distance."""
    trunks = []
    for mask in masks[:, 0].numpy():
        distance = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
        trunks.append(mask * distance / max(distance.max(), 1))
    return torch.from_numpy(np.stack(trunks))[:, None].to(masks.dtype)


def _normalised(images: Tensor) -> Tensor:
    return supervised.normalised(images * 255, MEAN, DEVIATION)
