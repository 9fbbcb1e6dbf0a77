"""U2-Net behind disbench's Predictor interface, with the steps of its authors or of rembg around the network."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from disbench.errors import InputError, suggest_names
from disbench.models._parts.network import NetworkPredictor, Options, open_weights, parse_options
from disbench.models.u2net.network import U2Net, add_counters, detect_variant
from disbench.models.u2net.steps import STEPS, normalise, stretch
from disbench.registry.card import Card

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class StepsOptions(Options):
    """Options of U2-Net.

    Attributes:
        steps: How images and maps are resized: one of STEPS.
    """

    steps: str = "authors"


class Predictor(NetworkPredictor):
    """Predict with U2-Net or U2-NetP; the file decides which.

    Args:
        card: Card of the method.
        weights: The authors' file, or "untrained" for U2-Net's weights drawn from seed 0.
        device: Device; default: the best one.
        **options: Fields of `StepsOptions`; the size is a multiple of 32.
    """

    memory_format = torch.channels_last
    variant: ClassVar[str | None] = None  # of VARIANTS; None: the file decides

    def __init__(self, card: Card, weights: str, device: str | None, **options: str):
        given = parse_options(StepsOptions, card, device, options)
        steps = given.steps
        if steps not in STEPS:
            raise InputError(f"unknown steps {steps!r}; {suggest_names(steps, STEPS)}")
        file = open_weights(weights, add_counters, wanted=given.state)
        variant = detect_variant(file.state or {}) if self.variant is None else self.variant
        net = file.fill(lambda: U2Net(variant))
        suffix = variant if self.variant is None else ""  # the card's title has a fixed variant
        super().__init__(card, file, net, device, given, variant=suffix, steps=steps)
        self.title += "" if steps == "authors" else f", steps {steps}"
        self.resize, self.filter = STEPS[steps]

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W): resized, divided by its largest value, normalised by channel."""
        return torch.from_numpy(normalise(self.resize(image, self.size), MEAN, DEVIATION))

    def run_net(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, H, W) in [0, 1]."""
        return self.net(batch)[0][:, 0]

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H, W) -> uint8 (h, w): stretched from min to max, truncated, resized in 8 bit; a constant map becomes 0."""
        return stretch(output.cpu().numpy(), size, self.filter)
