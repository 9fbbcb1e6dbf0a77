"""PGNet's training (Xie et al., CVPR 2022), with the loss of the authors' train_distributed.py.

The loss is binary cross entropy and IoU of the map, and an eighth of them for the map of each backbone. The graft's
attention has a cross entropy to the pairs of pixels, of 28 x 28, that both belong to the object, weighted from 1 to 2
by the distance of the backbones' maps from these pairs. The authors start from backbones trained on ImageNet.
"""

from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts import swin
from disbench.models._training import supervised
from disbench.models._training.losses import plain, resized
from disbench.models.pgnet.network import PGNet
from disbench.models.pgnet.predictor import DEVIATION, MEAN

BACKBONE_WEIGHT = 1 / 8


class Training(supervised.Training):
    """PGNet's network and loss."""

    stages = ("pgnet",)
    multiple = 32

    def network(self, stage: str, size: int) -> nn.Module:
        """Build the untrained network."""
        return PGNet()

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """(b, 3, h, w) and (b, 1, h, w), both in [0, 1] -> the terms of the loss."""
        last, local, overall, attention = net(supervised.normalised(images * 255, MEAN, DEVIATION))
        small = resized(masks, local)
        true_pairs = pairs(small)
        distances = [(true_pairs - pairs(x.detach().sigmoid())).abs() for x in (local, overall)]
        weight = 1 + sum(distances) / 2
        return {
            "map": plain([last], masks),
            "alone": BACKBONE_WEIGHT * plain([local, overall], small),
            "attention": functional.binary_cross_entropy_with_logits(attention, true_pairs, weight),
        }

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        """(b, 3, h, w) in [0, 1] -> (b, h, w) in [0, 1]."""
        return resized(net(supervised.normalised(images * 255, MEAN, DEVIATION))[0], images)[:, 0].sigmoid()

    def learned(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert a checkpoint to start from to the names of this network."""
        return swin.drop_buffers(state)


def pairs(x: Tensor) -> Tensor:
    """Return the product of each two pixels: (b, 1, h, w) -> (b, 1, h * w, h * w)."""
    points = x.flatten(2)
    return (points.mT * points)[:, None]
