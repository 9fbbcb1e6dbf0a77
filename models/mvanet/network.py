"""MVANet (Yu et al., CVPR 2024), key-compatible with the authors' checkpoints; unlike their code it takes batches.

A network sees five views of an image at half its size: its four quarters and the whole. The views follow one another in
a batch: (5b, ...), or (4b, ...) without the whole.
"""

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from disbench.models._parts.swin import SIZES, Swin
from disbench.models._parts.upsampling import double_and_convolve
from disbench.models.mvanet.attention import WIDTH, Activation, Localisation, Refinement, join_quarters, quarters

# Names of layers in earlier generations of checkpoints, and in the last one.
LATER = {"multifieldcrossatt.linear1": "linear5", "multifieldcrossatt.linear2": "linear6"}
LATER |= {f"dec_blk{level}.linear{i}": f"linear{i + 2}" for level in range(1, 5) for i in (1, 2)}


class MVANet(nn.Module):
    """(b, 3, h, w), normalised, sides multiples of 128 -> logits (b, 1, h, w)."""

    activation: Activation = staticmethod(torch.relu)  # within the attention blocks

    def __init__(self):
        super().__init__()
        self.backbone = Swin(*SIZES["base"])
        for level, into in enumerate((self.backbone.channels[0], *self.backbone.channels), 1):
            self.add_module(f"output{level}", nn.Sequential(*self.make_layer(into, WIDTH, nn.PReLU)))
        self.multifieldcrossatt = Localisation(self.activation)
        for level in range(1, 5):
            self.add_module(f"dec_blk{level}", Refinement(self.activation))
            self.add_module(f"conv{level}", nn.Sequential(*self.make_layer(WIDTH, WIDTH, nn.PReLU)))
        wide = 3 * WIDTH
        self.insmask_head = nn.Sequential(
            *self.make_layer(WIDTH, wide, nn.PReLU),
            *self.make_layer(wide, wide, nn.PReLU),
            nn.Conv2d(wide, WIDTH, 3, padding=1),
        )
        self.shallow = nn.Sequential(nn.Conv2d(3, WIDTH, 3, padding=1))
        self.upsample1 = nn.Sequential(*self.make_layer(WIDTH, WIDTH, nn.GELU))
        self.upsample2 = nn.Sequential(*self.make_layer(WIDTH, WIDTH, nn.GELU))
        self.output = nn.Sequential(nn.Conv2d(WIDTH, 1, 3, padding=1))

    @staticmethod
    def make_layer(into: int, out: int, activation: Callable[[], nn.Module]) -> tuple[nn.Module, ...]:
        """Build a convolution with its norm and activation."""
        return nn.Conv2d(into, out, 3, padding=1), nn.BatchNorm2d(out), activation()

    def forward(self, image: Tensor) -> Tensor:
        """(b, 3, h, w) -> logits (b, 1, h, w)."""
        whole = functional.interpolate(image, scale_factor=0.5, mode="bilinear")
        features = self.backbone(torch.cat((quarters(image), whole)))
        x = self.multifieldcrossatt(self.output5(features.pop()))
        for level in (4, 3, 2, 1):
            skip = self.get_submodule(f"output{level}")(features.pop())
            x = self.get_submodule(f"dec_blk{level}")(skip + _resize_like(x, skip))
            x = self.get_submodule(f"conv{level}")(x)
        near, far = join_quarters(x[: -len(image)]), x[-len(image) :]
        x = self.insmask_head(near + _resize_like(far, near))
        shallow = self.shallow(image)
        for conv, *others in (self.upsample1, self.upsample2):
            x = nn.Sequential(*others)(double_and_convolve(x + _resize_like(shallow, x), conv))
        return self.output(x)


def rename_layers(state: dict[str, Tensor], *, sides: bool = False) -> dict[str, Tensor]:
    """Give a checkpoint of any generation the names of the last; keep its `sides` only for training."""
    renamed = {}
    for name, tensor in state.items():
        layer, last = name.rpartition(".")[::2]
        if later := LATER.get(layer):
            name = f"{layer.rpartition('.')[0]}.{later}.{last}"
        if sides or not re.match(r"sideout[1-5]\.", name):
            renamed[name] = tensor
    return renamed


def _resize_like(x: Tensor, like: Tensor) -> Tensor:
    size = like.shape[-2:]
    return x if x.shape[-2:] == size else functional.interpolate(x, size, mode="bilinear", align_corners=False)
