"""Training of the network after FP-DIS' abstract, by a loss of our own, since theirs is not in it.

Binary cross entropy and IoU of each of the four maps, all with a weight of 1.
"""

from torch import Tensor, nn

from disbench.models._training import supervised
from disbench.models._training.losses import plain
from disbench.models.fp_dis.network import FPDIS
from disbench.models.fp_dis.predictor import DEVIATION, MEAN


class Training(supervised.Training):
    stages = ("fp_dis",)
    multiple = 32

    def network(self, stage: str, size: int) -> nn.Module:
        return FPDIS()

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        return {"maps": plain(net(supervised.normalised(images, MEAN, DEVIATION)), masks)}

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        return net(supervised.normalised(images, MEAN, DEVIATION))[0][:, 0].sigmoid()
