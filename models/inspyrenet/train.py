"""InSPyReNet's training (Kim et al., ACCV 2022), with the loss of the authors' code.

The four maps of the pyramid are compared with the pyramid of the ground truth, by binary cross entropy, weighted along
edges, and by the IoU of each single pixel. The distance of each map to the next finer one, reduced and detached, counts
0.0001. Maps are enlarged to the size of the image by repetition. The authors start from a Swin trained on ImageNet.
Here it is Swin-B, or the backbone of the weights that the training starts from.
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts import swin
from disbench.models._training import supervised
from disbench.models._training.losses import edge_weight
from disbench.models.inspyrenet.network import InSPyReNet, detect_backbone
from disbench.models.inspyrenet.predictor import DEVIATION, MEAN
from disbench.models.inspyrenet.pyramid import reduce

CONSISTENCY = 1e-4


class Training(supervised.Training):
    """InSPyReNet's network and loss."""

    stages = ("inspyrenet",)
    multiple = 32
    backbone = "SwinB"

    def network(self, stage: str, size: int) -> nn.Module:
        """Build the untrained network."""
        return InSPyReNet(self.backbone, size)

    def choose(self, state: dict[str, Tensor]) -> None:
        """Choose the backbone that a checkpoint has."""
        self.backbone = detect_backbone(state)

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """(b, 3, h, w) and (b, 1, h, w), both in [0, 1] -> the terms of the loss."""
        saliency, size = net(supervised.normalised(images, MEAN, DEVIATION)).saliency, images.shape[-2:]
        truths = [masks]
        for _ in saliency[1:]:
            truths.insert(0, reduce(truths[0]))
        pairs = [[functional.interpolate(y, size) for y in pair] for pair in zip(saliency, truths, strict=True)]
        distances = []
        for coarse, fine in pairwise(saliency):
            target = functional.interpolate(reduce(fine).detach(), size)
            distances.append(functional.l1_loss(functional.interpolate(coarse, size), target))
        return {"maps": sum(map_loss(*pair) for pair in pairs), "consistency": CONSISTENCY * sum(distances)}

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        """(b, 3, h, w) in [0, 1] -> (b, h, w) in [0, 1]."""
        return net(supervised.normalised(images, MEAN, DEVIATION)).saliency[-1][:, 0].sigmoid()

    def learned(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert a checkpoint to start from to the names of this network."""
        return swin.drop_buffers(state)


def map_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Return the weighted cross entropy and pixelwise IoU loss of one map, (b, 1, h, w)."""
    entropy = functional.binary_cross_entropy_with_logits(logits, masks, edge_weight(masks))
    x = logits.sigmoid()
    overlap = x * masks
    return entropy + (1 - (overlap + 1) / (x + masks - overlap + 1)).mean()
