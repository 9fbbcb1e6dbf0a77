"""InSPyReNet's training (Kim et al., ACCV 2022), by the loss of the authors' code.

Of the four maps of the pyramid, against the truth's own pyramid: binary cross entropy, weighted along edges, and IoU of
each pixel by itself. And 0.0001 times the distance of each map to the next finer, reduced, which stays as it is. All
are enlarged to the size of the image by repetition. They start from a Swin trained on ImageNet;
here it is Swin-B, or the backbone of what a training starts from.
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts import swin
from disbench.models._training import supervised
from disbench.models._training.losses import edge_weight
from disbench.models.inspyrenet.network import InSPyReNet, backbone_of
from disbench.models.inspyrenet.predictor import DEVIATION, MEAN
from disbench.models.inspyrenet.pyramid import reduced

CONSISTENCY = 1e-4


class Training(supervised.Training):
    stages = ("inspyrenet",)
    multiple = 32
    backbone = "SwinB"

    def network(self, stage: str, size: int) -> nn.Module:
        return InSPyReNet(self.backbone, size)

    def choose(self, state: dict[str, Tensor]) -> None:
        self.backbone = backbone_of(state)

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        saliency, size = net(supervised.normalised(images, MEAN, DEVIATION)).saliency, images.shape[-2:]
        truths = [masks]
        for _ in saliency[1:]:
            truths.insert(0, reduced(truths[0]))
        pairs = [[functional.interpolate(y, size) for y in pair] for pair in zip(saliency, truths, strict=True)]
        apart = [
            functional.l1_loss(*(functional.interpolate(y, size) for y in (coarse, reduced(fine).detach())))
            for coarse, fine in pairwise(saliency)
        ]
        return {"maps": sum(of_map(*pair) for pair in pairs), "consistency": CONSISTENCY * sum(apart)}

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        return net(supervised.normalised(images, MEAN, DEVIATION)).saliency[-1][:, 0].sigmoid()

    def learned(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return swin.learned(state)


def of_map(logits: Tensor, masks: Tensor) -> Tensor:
    entropy = functional.binary_cross_entropy_with_logits(logits, masks, edge_weight(masks))
    x = logits.sigmoid()
    both = x * masks
    return entropy + (1 - (both + 1) / (x + masks - both + 1)).mean()
