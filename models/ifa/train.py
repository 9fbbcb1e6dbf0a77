"""IFA's training (Hu et al., ECCV 2022), by the loss of the authors' code, for one class against the background.

Cross entropy of the map, and 0.4 times that of the auxiliary head, each over hard pixels alone: those whose truth is
given at most 0.7, and at least 100,000 pixels of the batch. They start from a ResNet trained on ImageNet.
"""

import math

from torch import Tensor, nn
from torch.nn import functional

from disbench.models._training import supervised
from disbench.models.ifa.network import IFA
from disbench.models.ifa.predictor import DEVIATION, MEAN

SURE = 0.7
KEPT = 100_000  # pixels
AUXILIARY = 0.4


class Training(supervised.Training):
    stages = ("ifa",)
    multiple = 32

    def network(self, stage: str, size: int) -> nn.Module:
        return IFA(1)

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        logits, auxiliary = net(supervised.normalised(images * 255, MEAN, DEVIATION))
        return {"map": hard(logits, masks), "auxiliary": AUXILIARY * hard(auxiliary, masks)}

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        return net(supervised.normalised(images * 255, MEAN, DEVIATION))[0][:, 0].sigmoid()


def hard(logits: Tensor, masks: Tensor, sure: float = SURE, kept: int = KEPT) -> Tensor:
    """The mean cross entropy of hard pixels; truths are rounded, as labels of classes are whole."""
    entropy = functional.binary_cross_entropy_with_logits(logits, masks.round(), reduction="none").flatten()
    kept = min(kept, len(entropy))
    least = entropy.detach().topk(kept).values[-1].clamp(max=-math.log(sure))
    weight = (entropy >= least).to(entropy)  # rather than to pick them out, for which a GPU waits for their number
    return (weight * entropy).sum() / weight.sum()
