"""RMBG-1.4 behind disbench's Predictor interface: IS-Net's network, and either of the two published preparations."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from disbench.errors import InputError, suggest_names
from disbench.models.isnet import predictor as isnet
from disbench.registry.card import Card

STEPS = ("pipeline", "utilities")


class Predictor(isnet.Predictor):
    """Predict with RMBG-1.4.

    Args:
        card: Card of the method.
        weights: The published file, or "untrained" for weights drawn from seed 0.
        device: Device; default: the best one.
        steps: Whose preparation of images: one of STEPS; default: pipeline.
        size: Working size in pixels per side, a multiple of 32; default: the file's, otherwise the card's.
        state: State dict of the file, for a file that has several, such as "ema"; default: the plain one.
    """

    def __init__(
        self, card: Card, weights: str, device: str | None, steps: str = "pipeline", size: str = "", state: str = ""
    ):
        if steps not in STEPS:
            raise InputError(f"unknown steps {steps!r}; {suggest_names(steps, STEPS)}")
        super().__init__(card, weights, device, size, state)
        self.title += "" if steps == "pipeline" else f", steps {steps}"
        self.identity["steps"] = self.steps = steps

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W) in [-1/2, 1/2]: resized without antialiasing."""
        if self.steps == "utilities":
            return super().prepare(image)
        pixels = torch.from_numpy(image).float().permute(2, 0, 1)[None]
        return functional.interpolate(pixels, self.size, mode="bilinear", align_corners=False)[0] / 255 - 0.5
