"""Training of the network after FP-DIS' abstract, with a loss of disbench, since the abstract has none.

The loss is binary cross entropy and IoU of each of the four maps, all with a weight of 1.
"""

from torch import Tensor, nn

from disbench.models._training import supervised
from disbench.models._training.losses import plain
from disbench.models.fp_dis.network import FPDIS
from disbench.models.fp_dis.predictor import DEVIATION, MEAN


class Training(supervised.Training):
    """The network after FP-DIS' abstract and its loss."""

    stages = ("fp_dis",)
    multiple = 32

    def network(self, stage: str, size: int) -> nn.Module:
        """Build the untrained network."""
        return FPDIS()

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """(b, 3, h, w) and (b, 1, h, w), both in [0, 1] -> the terms of the loss."""
        return {"maps": plain(net(supervised.normalised(images, MEAN, DEVIATION)), masks)}

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        """(b, 3, h, w) in [0, 1] -> (b, h, w) in [0, 1]."""
        return net(supervised.normalised(images, MEAN, DEVIATION))[0][:, 0].sigmoid()
