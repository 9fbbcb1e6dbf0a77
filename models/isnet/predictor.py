"""IS-Net behind disbench's Protocol, with the authors' own steps before and after the network."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from disbench.models._parts.network import Network, opened
from disbench.models.isnet.network import ISNet
from disbench.registry.card import Card


class Predictor(Network):
    """`weights`: the authors' file, or "untrained" for a network as drawn from seed 0; `size`: pixels a side."""

    memory_format = torch.channels_last  # faster on the CPU too

    def __init__(self, card: Card, weights: str, device: str | None, size: str = ""):
        file = opened(weights)
        super().__init__(card, file, file.into(ISNet), device, size)

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W) in [-1/2, 1/2]: resized without antialiasing, truncated to 8 bit."""
        pixels = torch.from_numpy(image).float().permute(2, 0, 1)[None]
        resized = functional.interpolate(pixels, self.size, mode="bilinear", align_corners=False)
        return resized[0].to(torch.uint8) / 255 - 0.5

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, H, W) in [0, 1]."""
        return self.net(batch)[0][0][:, 0]

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H, W) -> uint8 (h, w): resized, stretched from min to max, truncated; a constant map is nothing found, 0."""
        resized = functional.interpolate(output[None, None], size, mode="bilinear", align_corners=False)[0, 0]
        low, high = resized.aminmax()
        # Resizing a constant leaves its rounding, which stretching would show.
        if low == high or output.min() == output.max():
            return np.zeros(size, np.uint8)
        return ((resized - low) / (high - low) * 255).cpu().numpy().astype(np.uint8)
