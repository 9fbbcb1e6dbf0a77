"""IFA's training (Hu et al., ECCV 2022), with the loss of the authors' code, for one class and the background.

The loss is the cross entropy of the map, and 0.4 times that of the auxiliary head, each over hard pixels only: pixels
whose true class gets a probability of at most 0.7, and at least 100,000 pixels of the batch. The authors start from a
ResNet trained on ImageNet.
"""

import math

from torch import Tensor, nn
from torch.nn import functional

from disbench.models._training import supervised
from disbench.models.ifa.network import IFA
from disbench.models.ifa.predictor import DEVIATION, MEAN

EASY_PROBABILITY = 0.7
MIN_PIXELS = 100_000
AUXILIARY = 0.4


class Training(supervised.Training):
    """IFA's network and loss."""

    stages = ("ifa",)
    multiple = 32

    def network(self, stage: str, size: int) -> nn.Module:
        """Build the untrained network."""
        return IFA(1)

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """(b, 3, h, w) and (b, 1, h, w), both in [0, 1] -> the terms of the loss."""
        logits, auxiliary = net(supervised.normalised(images * 255, MEAN, DEVIATION))
        return {"map": hard_pixel_loss(logits, masks), "auxiliary": AUXILIARY * hard_pixel_loss(auxiliary, masks)}

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        """(b, 3, h, w) in [0, 1] -> (b, h, w) in [0, 1]."""
        return net(supervised.normalised(images * 255, MEAN, DEVIATION))[0][:, 0].sigmoid()


def hard_pixel_loss(
    logits: Tensor, masks: Tensor, easy_probability: float = EASY_PROBABILITY, min_pixels: int = MIN_PIXELS
) -> Tensor:
    """Return the mean cross entropy of hard pixels.

    Args:
        logits: (b, 1, h, w).
        masks: Ground truth (b, 1, h, w) in [0, 1], rounded since class labels are whole.
        easy_probability: Pixels whose true class has a higher probability are skipped.
        min_pixels: The hardest pixels that always count.
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, masks.round(), reduction="none").flatten()
    min_pixels = min(min_pixels, len(entropy))
    threshold = entropy.detach().topk(min_pixels).values[-1].clamp(max=-math.log(easy_probability))
    weight = (entropy >= threshold).to(entropy)  # selecting them instead would make the GPU wait for their number
    return (weight * entropy).sum() / weight.sum()
