"""Predictors that average the logits of several passes over an image, mirrored or not and at several scales."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from disbench.errors import InputError
from disbench.models._parts.network import NetworkPredictor, open_weights
from disbench.models._parts.weights import State
from disbench.registry.card import Card

Passes = list[tuple[bool, float]]  # mirrored or not, and the scale of the image


class PassesPredictor(NetworkPredictor):
    """Average passes of a network that returns logits; subclasses add prepare.

    Args:
        card: Card of the method.
        weights: The authors' file, or "untrained" for weights drawn from seed 0.
        device: Device; default: the best one.
        passes: Passes to average, a key of `choices`. Default: "one" if an option or the file has a working size,
            otherwise the first key.
        size: Working size in pixels per side, a multiple of `multiple`; default: the file's, otherwise the card's.
        state: State dict of the file, for a file that has several, such as "ema"; default: the plain one.

    Attributes:
        choices: The passes that can be chosen, by name; the authors' first.
        build: Constructor of the network.
        convert: Function that renames the tensors of a file to the network's names.
        passes: The chosen passes.
    """

    choices: ClassVar[dict[str, Passes]]
    build: ClassVar[Callable[[], nn.Module]]
    convert: ClassVar[Callable[[State], State]]

    def __init__(self, card: Card, weights: str, device: str | None, passes: str = "", size: str = "", state: str = ""):
        if passes and passes not in self.choices:
            raise InputError(f"passes={passes}: must be one of {', '.join(self.choices)}")
        file = open_weights(weights, type(self).convert, wanted=state)
        usual = next(iter(self.choices))
        passes = passes or ("one" if size or file.size else usual)
        super().__init__(card, file, file.fill(type(self).build), device, size, passes=passes)
        self.passes = self.choices[passes]
        if any(self.size[0] * scale % self.multiple for _, scale in self.passes):
            raise InputError(
                f"--option size={self.size[0]}: not with passes={passes}, whose scaled sizes must be multiples of "
                f"{self.multiple}"
            )
        self.title += f", passes {passes}" if passes != usual else ""

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
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
