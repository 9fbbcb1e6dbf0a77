"""BSA-Net behind disbench's Predictor interface, with the authors' steps before and after the network."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from disbench.models._parts.network import NetworkPredictor, Options, open_weights, parse_options
from disbench.models.bsanet.network import BSANet, drop_unused
from disbench.registry.card import Card

MEAN = torch.tensor([0.485, 0.456, 0.406])
DEVIATION = torch.tensor([0.229, 0.224, 0.225])


class Predictor(NetworkPredictor):
    """Predict with BSA-Net.

    Args:
        card: Card of the method.
        weights: A file that the authors' trainer saves, or "untrained" for weights drawn from seed 0.
        device: Device; default: the best one.
        **options: Fields of `Options`; the size is a multiple of 32.
    """

    memory_format = torch.channels_last  # also faster on the CPU

    def __init__(self, card: Card, weights: str, device: str | None, **options: str):
        given = parse_options(Options, card, device, options)
        file = open_weights(weights, drop_unused, wanted=given.state)
        super().__init__(card, file, file.fill(BSANet), device, given)

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W), resized with antialiasing in 8 bit, then normalised by channel."""
        resized = np.array(Image.fromarray(image).resize(self.size, Image.Resampling.BILINEAR))
        return ((torch.from_numpy(resized) / 255 - MEAN) / DEVIATION).permute(2, 0, 1).contiguous()

    def run_net(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> logits (b, H, W), which `restore` resizes before their sigmoid."""
        return self.net(batch).refined[0][:, 0]

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """Logits (H, W) -> uint8 (h, w): resized with aligned corners, sigmoid, stretched from min to max, rounded."""
        resized = functional.interpolate(output[None, None], size, mode="bilinear", align_corners=True)[0, 0].sigmoid()
        low, high = resized.aminmax()
        return ((resized - low) / (high - low + 1e-8) * 255).round().to(torch.uint8).cpu().numpy()
