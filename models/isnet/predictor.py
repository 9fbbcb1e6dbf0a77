"""IS-Net behind disbench's Predictor interface, with the authors' steps before and after the network."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from disbench.models._parts.network import NetworkPredictor, Options, open_weights, parse_options
from disbench.models.isnet.network import ISNet
from disbench.registry.card import Card


class Predictor(NetworkPredictor):
    """Predict with IS-Net.

    Args:
        card: Card of the method.
        weights: The authors' file, or "untrained" for weights drawn from seed 0.
        device: Device; default: the best one.
        **options: Fields of `Options`; the size is a multiple of 32.
    """

    memory_format = torch.channels_last  # also faster on the CPU

    def __init__(self, card: Card, weights: str, device: str | None, **options: str):
        given = parse_options(Options, card, device, options)
        file = open_weights(weights, wanted=given.state)
        super().__init__(card, file, file.fill(ISNet), device, given)

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W) in [-1/2, 1/2]: resized without antialiasing, truncated to 8 bit."""
        pixels = torch.from_numpy(image).float().permute(2, 0, 1)[None]
        resized = functional.interpolate(pixels, self.size, mode="bilinear", align_corners=False)
        return resized[0].to(torch.uint8) / 255 - 0.5

    def run_net(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, H, W) in [0, 1]."""
        return self.net(batch)[0][0][:, 0]

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H, W) -> uint8 (h, w): resized, stretched from min to max, truncated; a constant map becomes 0."""
        resized = functional.interpolate(output[None, None], size, mode="bilinear", align_corners=False)[0, 0]
        low, high = resized.aminmax()
        # Resizing a constant map leaves rounding errors, which stretching would amplify.
        if low == high or output.min() == output.max():
            return np.zeros(size, np.uint8)
        return ((resized - low) / (high - low) * 255).cpu().numpy().astype(np.uint8)
