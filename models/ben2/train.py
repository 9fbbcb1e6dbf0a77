"""BEN2's training with the loss of MVANet, whose network it changes, because its authors' training is not published."""

from torch import nn

from disbench.models.ben2.network import BEN2
from disbench.models.mvanet import train
from disbench.models.mvanet.train import add_sides


class Training(train.Training):
    """BEN2's network, with MVANet's loss."""

    stages = ("ben2",)

    def network(self, stage: str, size: int) -> nn.Module:
        """Build the untrained network."""
        return add_sides(BEN2())
