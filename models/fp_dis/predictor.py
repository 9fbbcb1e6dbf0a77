"""The network after FP-DIS' abstract behind disbench's Predictor interface; the steps around it are disbench's too."""

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from disbench.models._parts.network import NetworkPredictor, Options, open_weights, parse_options
from disbench.models.fp_dis.network import FPDIS
from disbench.registry.card import Card

MEAN = torch.tensor([0.485, 0.456, 0.406])
DEVIATION = torch.tensor([0.229, 0.224, 0.225])


class Predictor(NetworkPredictor):
    """Predict with the network after FP-DIS' abstract.

    Args:
        card: Card of the method.
        weights: A file of `disbench train`, or "untrained" for weights drawn from seed 0.
        device: Device; default: the best one.
        **options: Fields of `Options`; the size is a multiple of 32.
    """

    def __init__(self, card: Card, weights: str, device: str | None, **options: str):
        given = parse_options(Options, card, device, options)
        file = open_weights(weights, wanted=given.state)
        super().__init__(card, file, file.fill(FPDIS), device, given, variant=", unofficial")

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W), resized in 8 bit, then normalised by channel."""
        resized = torch.from_numpy(cv2.resize(image, self.size, interpolation=cv2.INTER_LINEAR))
        return ((resized / 255 - MEAN) / DEVIATION).permute(2, 0, 1).contiguous()

    def run_net(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> logits (b, H, W), which `restore` resizes before their sigmoid."""
        return self.net(batch)[0][:, 0]

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """Logits (H, W) -> uint8 (h, w): resized, sigmoid, rounded."""
        resized = functional.interpolate(output[None, None], size, mode="bilinear", align_corners=False)[0, 0]
        return (resized.sigmoid() * 255).round().to(torch.uint8).cpu().numpy()
