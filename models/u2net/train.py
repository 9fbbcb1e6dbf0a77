"""U2-Net's training (Qin et al., Pattern Recognition 2020): the cross entropy of seven maps, all weights 1."""

from torch import Tensor, nn

from disbench.models._training import supervised
from disbench.models._training.losses import bce
from disbench.models.u2net.network import U2Net, add_counters, detect_variant
from disbench.models.u2net.predictor import DEVIATION, MEAN


class Training(supervised.Training):
    """U2-Net and its loss; a checkpoint to start from decides whether it is U2-NetP."""

    stages = ("u2net",)
    multiple = 32
    variant = ""

    def network(self, stage: str, size: int) -> nn.Module:
        """Build the untrained network."""
        return U2Net(self.variant)

    def learned(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Complete the authors' file."""
        return add_counters(state)

    def choose(self, state: dict[str, Tensor]) -> None:
        """Choose the variant that a checkpoint has."""
        self.variant = detect_variant(state)

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """(b, 3, h, w) and (b, 1, h, w), both in [0, 1] -> the terms of the loss."""
        return {"maps": bce(net(_normalised(images)), masks)}

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        """(b, 3, h, w) in [0, 1] -> (b, h, w) in [0, 1]."""
        return net(_normalised(images))[0][:, 0]


def _normalised(images: Tensor) -> Tensor:
    """Divide images by their largest values, as `run` does, and normalise them."""
    largest = images.amax((1, 2, 3), keepdim=True)
    return supervised.normalised(images / largest.where(largest > 0, 1), MEAN, DEVIATION)
