"""UDUN's training: mask, trunk and structure, each against a label of its own.

The truth is divided as LDF does it (Wei et al., Label Decoupling Framework, CVPR 2020): the trunk is the truth weighted
by the distance to its outline, the structure the rest. Losses are binary cross entropy of all three, and IoU of the
mask. The authors' code, which has no licence, was not read: weights of 1 and this division are not held to it. They
start from a ResNet trained on ImageNet.
"""

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._training import supervised
from disbench.models._training.losses import bce_of_logits, iou_of_logits
from disbench.models.udun.network import UDUN, depth_of
from disbench.models.udun.predictor import DEVIATION, MEAN


class Training(supervised.Training):
    stages = ("udun",)
    multiple = 128
    depth = 50

    def network(self, stage: str, size: int) -> nn.Module:
        return UDUN(self.depth)

    def choose(self, state: dict[str, Tensor]) -> None:
        self.depth = depth_of(state)

    def labels(self, masks: Tensor) -> Tensor:
        """Masks and trunks, (b, 2, h, w)."""
        return torch.cat((masks, trunks_of(masks)), 1)

    def losses(self, net: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        trunk, structure, mask = net(_normalised(images))
        masks, trunks = labels.chunk(2, 1)
        return {
            "mask": bce_of_logits(mask, masks) + iou_of_logits(mask, masks),
            "trunk": bce_of_logits(trunk, trunks),
            "structure": bce_of_logits(structure, masks - trunks),
        }

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        logits = net(_normalised(images))[2]
        return functional.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)[:, 0].sigmoid()


def trunks_of(masks: Tensor) -> Tensor:
    """(b, 1, h, w) in [0, 1] -> the same, weighted by the distance to the outline over the largest of the picture."""
    trunks = []
    for mask in masks[:, 0].numpy():
        far = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
        trunks.append(mask * far / max(far.max(), 1))
    return torch.from_numpy(np.stack(trunks))[:, None].to(masks.dtype)


def _normalised(images: Tensor) -> Tensor:
    return supervised.normalised(images * 255, MEAN, DEVIATION)
