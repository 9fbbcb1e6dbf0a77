"""RMBG-1.4 behind disbench's Predictor interface: IS-Net's network, and either of the two published preparations."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from disbench.errors import InputError, suggest_names
from disbench.models._parts.network import Options, parse_options
from disbench.models.isnet import predictor as isnet
from disbench.registry.card import Card

STEPS = ("pipeline", "utilities")


@dataclass(frozen=True, kw_only=True)
class StepsOptions(Options):
    """Options of RMBG-1.4.

    Attributes:
        steps: Whose preparation of images: one of STEPS.
    """

    steps: str = "pipeline"


class Predictor(isnet.Predictor):
    """Predict with RMBG-1.4.

    Args:
        card: Card of the method.
        weights: The published file, or "untrained" for weights drawn from seed 0.
        device: Device; default: the best one.
        **options: Fields of `StepsOptions`; the size is a multiple of 32.
    """

    def __init__(self, card: Card, weights: str, device: str | None, **options: str):
        steps = parse_options(StepsOptions, card, device, options).steps
        if steps not in STEPS:
            raise InputError(f"unknown steps {steps!r}; {suggest_names(steps, STEPS)}")
        super().__init__(card, weights, device, **{key: value for key, value in options.items() if key != "steps"})
        self.title += "" if steps == "pipeline" else f", steps {steps}"
        self.identity["steps"] = self.steps = steps

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W) in [-1/2, 1/2]: resized without antialiasing."""
        if self.steps == "utilities":
            return super().prepare(image)
        pixels = torch.from_numpy(image).float().permute(2, 0, 1)[None]
        return functional.interpolate(pixels, self.size, mode="bilinear", align_corners=False)[0] / 255 - 0.5
