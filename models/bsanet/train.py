"""BSA-Net's training, with a loss of disbench: the authors' code, which has no licence, was not read.

The loss is binary cross entropy and IoU of each of the eight maps, and of the edge against a band of three pixels
around the outline of the ground truth, all with a weight of 1. The authors start from a Res2Net trained on ImageNet.
"""

from torch import Tensor, nn

from disbench.models._training import supervised
from disbench.models._training.data import edges
from disbench.models._training.losses import plain
from disbench.models.bsanet.network import BSANet, drop_unused
from disbench.models.bsanet.predictor import DEVIATION, MEAN

BAND = 3  # pixels


class Training(supervised.Training):
    """BSA-Net's network and loss."""

    stages = ("bsanet",)
    multiple = 32

    def network(self, stage: str, size: int) -> nn.Module:
        """Build the untrained network."""
        return BSANet()

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """(b, 3, h, w) and (b, 1, h, w), both in [0, 1] -> the terms of the loss."""
        refined, coarse, edge = net(supervised.normalised(images, MEAN, DEVIATION))
        return {"maps": plain([*refined, *coarse], masks), "edge": plain([edge], edges(masks, BAND))}

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        """(b, 3, h, w) in [0, 1] -> (b, h, w) in [0, 1]."""
        return net(supervised.normalised(images, MEAN, DEVIATION)).refined[0][:, 0].sigmoid()

    def learned(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert a checkpoint to start from to the names of this network."""
        return drop_unused(state)
