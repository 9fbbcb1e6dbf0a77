"""Predictors that average the logits of several passes over an image, mirrored or not and at several scales."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from disbench.errors import InputError
from disbench.models._parts.network import NetworkPredictor, Options, open_weights, parse_options
from disbench.models._parts.weights import State
from disbench.registry.card import Card

Passes = list[tuple[bool, float]]  # mirrored or not, and the scale of the image


@dataclass(frozen=True, kw_only=True)
class PassesOptions(Options):
    """Options of a network that runs several passes.

    Attributes:
        passes: Passes to average, a key of `choices`. Default: "one" if an option or the file has a working size,
            otherwise the first key.
    """

    passes: str = ""


class PassesPredictor(NetworkPredictor):
    """Average passes of a network that returns logits; subclasses add prepare.

    Args:
        card: Card of the method.
        weights: The authors' file, or "untrained" for weights drawn from seed 0.
        device: Device; default: the best one.
        **options: Fields of `PassesOptions`; the size is a multiple of `multiple`.

    Attributes:
        choices: The passes that can be chosen, by name; the authors' first.
        build: Constructor of the network.
        convert: Function that renames the tensors of a file to the network's names.
        passes: The chosen passes.
    """

    choices: ClassVar[dict[str, Passes]]
    build: ClassVar[Callable[[], nn.Module]]
    convert: ClassVar[Callable[[State], State]]

    def __init__(self, card: Card, weights: str, device: str | None, **options: str):
        given = parse_options(PassesOptions, card, device, options)
        passes = given.passes
        if passes and passes not in self.choices:
            raise InputError(f"passes={passes}: must be one of {', '.join(self.choices)}")
        file = open_weights(weights, type(self).convert, wanted=given.state)
        usual = next(iter(self.choices))
        passes = passes or ("one" if given.size or file.size else usual)
        super().__init__(card, file, file.fill(type(self).build), device, given, passes=passes)
        self.passes = self.choices[passes]
        if any(self.size[0] * scale % self.multiple for _, scale in self.passes):
            raise InputError(
                f"--option size={self.size[0]}: not with passes={passes}, whose scaled sizes must be multiples of "
                f"{self.multiple}"
            )
        self.title += f", passes {passes}" if passes != usual else ""

    def run_net(self, batch: Tensor) -> Tensor:
        """(b, c, H, W) -> (b, H, W) in [0, 1], from the mean of the logits of all passes."""
        return torch.stack([_run_pass(self.net, batch, *settings) for settings in self.passes]).mean(0)[:, 0].sigmoid()

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H, W) -> uint8 (h, w): truncated to 8 bit, then resized."""
        levels = Image.fromarray((output * 255).to(torch.uint8).cpu().numpy())
        return np.array(levels.resize(size[::-1], Image.Resampling.BILINEAR))


def _run_pass(net: Callable[[Tensor], Tensor], batch: Tensor, mirrored: bool, scale: float) -> Tensor:
    image = batch.flip(-1) if mirrored else batch
    size = tuple(batch.shape[-2:])
    logits = _resized(net(_resized(image, tuple(int(side * scale) for side in size))), size)
    return logits.flip(-1) if mirrored else logits


def _resized(x: Tensor, size: tuple[int, ...]) -> Tensor:
    return x if x.shape[-2:] == size else functional.interpolate(x, size, mode="bilinear", align_corners=False)
