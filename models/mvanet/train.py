"""MVANet's training (Yu et al., CVPR 2024), with the loss of the authors' train.py: F3Net's loss of fifteen maps.

The last map and five maps of the joined quarters have a weight of 1. Five maps of the whole, and the four maps that
weight the quarters, have 0.3. The four get a sigmoid here and another one in the loss, as in the authors' code. The
authors' dropout of 0.1 within the attentions is omitted. The authors start from a Swin trained on ImageNet.
"""

from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts import swin
from disbench.models._training import supervised
from disbench.models._training.losses import structure
from disbench.models.mvanet.attention import WIDTH, join_quarters
from disbench.models.mvanet.network import MVANet, rename_layers
from disbench.models.mvanet.predictor import DEVIATION, MEAN

SIDE_WEIGHT = 0.3


def add_sides(net: MVANet) -> MVANet:
    """Add the side outputs of the authors' checkpoints, which `run` drops."""
    for level in range(1, 6):
        net.add_module(f"sideout{level}", nn.Sequential(nn.Conv2d(WIDTH, 1, 3, padding=1)))
    return net


class Training(supervised.Training):
    """MVANet's network and loss."""

    stages = ("mvanet",)
    multiple = 128

    def network(self, stage: str, size: int) -> nn.Module:
        """Build the untrained network."""
        return add_sides(MVANet())

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """(b, 3, h, w) and (b, 1, h, w), both in [0, 1] -> the terms of the loss."""
        levels = {"multifieldcrossatt": 5, "conv4": 4, "conv3": 3, "conv2": 2, "conv1": 1}
        weighings = [f"dec_blk{level}.sal_conv" for level in (4, 3, 2, 1)]
        with supervised.watched(net, *levels, *weighings, "output5") as seen:
            last = net(supervised.normalised(images, MEAN, DEVIATION))
        near, far = [], []
        for name, level in levels.items():
            side, views = net.get_submodule(f"sideout{level}"), seen[name]
            near.append(join_quarters(side(views[: -len(images)])))
            # The coarsest whole is taken before it attends to its quarters.
            far.append(side((seen["output5"] if level == 5 else views)[-len(images) :]))
        salient = [functional.interpolate(seen[name].sigmoid(), scale_factor=2) for name in weighings]
        return {
            "maps": _structure([last, *near], masks),
            "whole": SIDE_WEIGHT * _structure(far, masks),
            "salient": SIDE_WEIGHT * _structure(salient, masks),
        }

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        """(b, 3, h, w) in [0, 1] -> (b, h, w) in [0, 1]."""
        return net(supervised.normalised(images, MEAN, DEVIATION))[:, 0].sigmoid()

    def learned(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert a checkpoint to start from to the names of this network."""
        return rename_layers(swin.drop_buffers(state), sides=True)


def _structure(maps: list[Tensor], masks: Tensor) -> Tensor:
    return sum(structure(x, functional.interpolate(masks, x.shape[-2:], mode="nearest")) for x in maps)
