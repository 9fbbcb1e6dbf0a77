"""UDUN behind disbench's Predictor interface, with the authors' steps before and after the network."""

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from disbench.models._parts.network import NetworkPredictor, Options, open_weights, parse_options
from disbench.models.udun.network import UDUN, detect_depth
from disbench.registry.card import Card

MEAN = np.array([124.55, 118.90, 102.94])
DEVIATION = np.array([56.77, 55.97, 57.50])


class Predictor(NetworkPredictor):
    """Predict with UDUN, with any of its ResNet backbones.

    Args:
        card: Card of the method.
        weights: The authors' file, or "untrained" for ResNet-50 drawn from seed 0.
        device: Device; default: the best one.
        **options: Fields of `Options`; the size is a multiple of 128.
    """

    memory_format = torch.channels_last  # also faster on the CPU
    multiple = 128

    def __init__(self, card: Card, weights: str, device: str | None, **options: str):
        given = parse_options(Options, card, device, options)
        file = open_weights(weights, wanted=given.state)
        depth = detect_depth(file.state) if file.state else 50
        super().__init__(card, file, file.fill(lambda: UDUN(depth)), device, given, variant=f"-R{depth}")

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W), normalised by channel in float64, then resized."""
        normalised = (image.astype(np.float32) - MEAN) / DEVIATION
        resized = cv2.resize(normalised, self.size, interpolation=cv2.INTER_LINEAR)
        return torch.from_numpy(resized.astype(np.float32)).permute(2, 0, 1).contiguous()

    def run_net(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> logits (b, H, W), which `restore` resizes before their sigmoid."""
        return self.net(batch)[2][:, 0]

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """Logits (H, W) -> uint8 (h, w): resized, sigmoid, rounded half to even."""
        resized = functional.interpolate(output[None, None], size, mode="bilinear", align_corners=False)[0, 0]
        return (resized.sigmoid() * 255).round().to(torch.uint8).cpu().numpy()
