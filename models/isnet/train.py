"""IS-Net's training (Qin et al., ECCV 2022): first the ground-truth encoder, then the network that learns its features.

The loss of both stages is the sum of the binary cross entropies of six maps. The second stage adds the mean squared
distances of six features to those of the encoder, which is frozen. All weights are 1, as in the paper's equations.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._training import supervised
from disbench.models._training.losses import bce
from disbench.models.isnet.network import ISNet, TruthEncoder


class Training(supervised.Training):
    """IS-Net's two networks and their losses."""

    stages = ("truth", "isnet")
    multiple = 32

    def __init__(self):
        self.encoder: nn.Module | None = None

    def network(self, stage: str, size: int) -> nn.Module:
        """Build the untrained network."""
        return TruthEncoder() if stage == "truth" else ISNet()

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """(b, 3, h, w) and (b, 1, h, w), both in [0, 1] -> the terms of the loss."""
        if self.encoder is None:
            return {"maps": bce(net(masks)[0], masks)}
        with torch.no_grad():
            truths = self.encoder(masks)[1]
        maps, features = net(images - 0.5)
        distance = sum(functional.mse_loss(x, truth) for x, truth in zip(features, truths, strict=True))
        return {"maps": bce(maps, masks), "features": distance}

    def finished(self, stage: str, net: nn.Module) -> None:
        """Freeze the encoder for the second stage."""
        if stage == "truth":
            self.encoder = net.requires_grad_(False)

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        """(b, 3, h, w) in [0, 1] -> (b, h, w) in [0, 1]."""
        return net(images - 0.5)[0][0][:, 0]
