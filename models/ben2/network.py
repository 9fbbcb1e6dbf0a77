"""BEN2 base (Prama LLC, 2025): MVANet with norms without parameters, key-compatible with the released weights.

The norms are of each image and channel. All activations are GELU. The refiner of the paper is not published.
"""

from collections.abc import Callable

from torch import nn
from torch.nn import functional

from disbench.models.mvanet.network import MVANet


class BEN2(MVANet):
    """(b, 3, h, w), normalised, sides multiples of 128 -> logits (b, 1, h, w)."""

    activation = staticmethod(functional.gelu)

    @staticmethod
    def make_layer(into: int, out: int, activation: Callable[[], nn.Module]) -> tuple[nn.Module, ...]:
        """Build a convolution with its norm, and GELU in place of MVANet's activation."""
        return nn.Conv2d(into, out, 3, padding=1), nn.InstanceNorm2d(out), nn.GELU()
