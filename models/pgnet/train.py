"""PGNet's training (Xie et al., CVPR 2022), by the loss of the authors' train_distributed.py.

Binary cross entropy and IoU of the map, and an eighth of them of what either backbone says alone. And cross entropy of
the graft's attention to which pairs of points, of 28 x 28, are both the object's, weighted from 1 to 2 by how far the
two backbones are from that. They start from backbones trained on ImageNet.
"""

from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts import swin
from disbench.models._training import supervised
from disbench.models._training.losses import plain, resized
from disbench.models.pgnet.network import PGNet
from disbench.models.pgnet.predictor import DEVIATION, MEAN

ALONE = 1 / 8


class Training(supervised.Training):
    stages = ("pgnet",)
    multiple = 32

    def network(self, stage: str, size: int) -> nn.Module:
        return PGNet()

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        last, own, other, attention = net(supervised.normalised(images * 255, MEAN, DEVIATION))
        small = resized(masks, own)
        together = pairs(small)
        off = [(together - pairs(x.detach().sigmoid())).abs() for x in (own, other)]
        weight = 1 + sum(off) / 2
        return {
            "map": plain([last], masks),
            "alone": ALONE * plain([own, other], small),
            "attention": functional.binary_cross_entropy_with_logits(attention, together, weight),
        }

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        return resized(net(supervised.normalised(images * 255, MEAN, DEVIATION))[0], images)[:, 0].sigmoid()

    def learned(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return swin.learned(state)


def pairs(x: Tensor) -> Tensor:
    """(b, 1, h, w) -> (b, 1, h * w, h * w): the product of each point and each other."""
    points = x.flatten(2)
    return (points.mT * points)[:, None]
