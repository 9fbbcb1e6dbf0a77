"""MVANet's training (Yu et al., CVPR 2024), by the loss of the authors' train.py: F3Net's of fifteen maps.

The last map and five at the sides of the quarters, put together, count 1; five of the whole and the four by which
quarters are weighed 0.3. The four are given their sigmoid, and the loss takes it once more: so in their code. Their
dropout of 0.1 within the attentions is left out; they start from a Swin trained on ImageNet.
"""

from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts import swin
from disbench.models._training import supervised
from disbench.models._training.losses import structure
from disbench.models.mvanet.attention import WIDTH, joined
from disbench.models.mvanet.network import MVANet, renamed
from disbench.models.mvanet.predictor import DEVIATION, MEAN

SHARE = 0.3


class MVANetWithSides(MVANet):
    """As the authors save it; `run` leaves the sides out."""

    def __init__(self):
        super().__init__()
        for level in range(1, 6):
            self.add_module(f"sideout{level}", nn.Sequential(nn.Conv2d(WIDTH, 1, 3, padding=1)))


class Training(supervised.Training):
    stages = ("mvanet",)
    multiple = 128

    def network(self, stage: str, size: int) -> nn.Module:
        return MVANetWithSides()

    def losses(self, net: nn.Module, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        levels = {"multifieldcrossatt": 5, "conv4": 4, "conv3": 3, "conv2": 2, "conv1": 1}
        weighings = [f"dec_blk{level}.sal_conv" for level in (4, 3, 2, 1)]
        with supervised.watched(net, *levels, *weighings, "output5") as seen:
            last = net(supervised.normalised(images, MEAN, DEVIATION))
        near, far = [], []
        for name, level in levels.items():
            side, views = net.get_submodule(f"sideout{level}"), seen[name]
            near.append(joined(side(views[: -len(images)])))
            # The coarsest whole is taken before it has looked at its quarters.
            far.append(side((seen["output5"] if level == 5 else views)[-len(images) :]))
        salient = [functional.interpolate(seen[name].sigmoid(), scale_factor=2) for name in weighings]
        return {
            "maps": _structure([last, *near], masks),
            "whole": SHARE * _structure(far, masks),
            "salient": SHARE * _structure(salient, masks),
        }

    def predict(self, net: nn.Module, images: Tensor) -> Tensor:
        return net(supervised.normalised(images, MEAN, DEVIATION))[:, 0].sigmoid()

    def learned(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return renamed(swin.learned(state), sides=True)


def _structure(maps: list[Tensor], masks: Tensor) -> Tensor:
    return sum(structure(x, functional.interpolate(masks, x.shape[-2:], mode="nearest")) for x in maps)
