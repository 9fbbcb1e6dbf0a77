"""ISDNet behind disbench's Predictor interface, with mmseg's steps; the authors never ran it on DIS5K."""

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from disbench.models._parts.network import NetworkPredictor, Options, open_weights, parse_options
from disbench.models.isdnet.network import ISDNet
from disbench.registry.card import Card

MEAN = torch.tensor([123.675, 116.28, 103.53])
DEVIATION = torch.tensor([58.395, 57.12, 57.375])
CLASSES = "refine_head.conv_seg.conv_out.bias"


class Predictor(NetworkPredictor):
    """Predict with ISDNet, with one or two classes.

    Args:
        card: Card of the method.
        weights: A file that the authors' trainer saves, or "untrained" for one class, drawn from seed 0.
        device: Device; default: the best one.
        **options: Fields of `Options`; the size is a multiple of 32.
    """

    def __init__(self, card: Card, weights: str, device: str | None, **options: str):
        given = parse_options(Options, card, device, options)
        file = open_weights(weights, wanted=given.state)
        classes = file.count_classes(CLASSES)
        super().__init__(card, file, file.fill(lambda: ISDNet(classes)), device, given)

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W), resized in 8 bit, then normalised by channel."""
        resized = torch.from_numpy(cv2.resize(image, self.size, interpolation=cv2.INTER_LINEAR))
        return ((resized - MEAN) / DEVIATION).permute(2, 0, 1).contiguous()

    def run_net(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> logits (b, H, W) of foreground against background."""
        logits = self.net(batch)
        return logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]  # softmax of two is a sigmoid

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """Logits (H, W) -> uint8 (h, w): resized, sigmoid, rounded."""
        resized = functional.interpolate(output[None, None], size, mode="bilinear", align_corners=False)[0, 0]
        return (resized.sigmoid() * 255).round().to(torch.uint8).cpu().numpy()
