"""IS-Net's training (Qin et al., ECCV 2022): first the ground-truth encoder, then the network that learns its features.

Of each stage, binary cross entropy of six maps, summed; of the second also, summed over six features, the mean squared
distance to those of the encoder, which then stays as it is. All weights are 1, as in the paper's equations.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._training import supervised
from disbench.models._training.losses import bce
from disbench.models.isnet.network import ISNet, TruthEncoder


class Training(supervised.Training):
    stages = ("truth", "isnet")
    multiple = 32

    def __init__(self):
        self.encoder: nn.Module | None = None

    def network(self, stage: str, size: int) -> nn.Module:
        return TruthEncoder() if stage == "truth" else ISNet()

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        if self.encoder is None:
            return {"maps": bce(net(masks)[0], masks)}
        with torch.no_grad():
            truths = self.encoder(masks)[1]
        maps, features = net(images - 0.5)
        distance = sum(functional.mse_loss(x, truth) for x, truth in zip(features, truths, strict=True))
        return {"maps": bce(maps, masks), "features": distance}

    def finished(self, stage: str, net: nn.Module) -> None:
        if stage == "truth":
            self.encoder = net.requires_grad_(False)

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        return net(images - 0.5)[0][0][:, 0]
