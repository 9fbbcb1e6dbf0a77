"""BSA-Net's training, by a loss of our own: the authors' code, which has no licence, was not read.

Binary cross entropy and IoU of each of its eight maps, and of its edge to a band of three pixels around the truth's
outline, all with a weight of 1. They start from a Res2Net trained on ImageNet.
"""

from torch import Tensor, nn

from disbench.models._training import supervised
from disbench.models._training.data import edges
from disbench.models._training.losses import plain
from disbench.models.bsanet.network import BSANet, used
from disbench.models.bsanet.predictor import DEVIATION, MEAN

BAND = 3  # pixels


class Training(supervised.Training):
    stages = ("bsanet",)
    multiple = 32

    def network(self, stage: str, size: int) -> nn.Module:
        return BSANet()

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        refined, coarse, edge = net(supervised.normalised(images, MEAN, DEVIATION))
        return {"maps": plain([*refined, *coarse], masks), "edge": plain([edge], edges(masks, BAND))}

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        return net(supervised.normalised(images, MEAN, DEVIATION)).refined[0][:, 0].sigmoid()

    def learned(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return used(state)
