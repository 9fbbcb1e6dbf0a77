"""BSA-Net behind disbench's Protocol, with the authors' own steps before and after the network."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from disbench.models._parts.network import Network, opened
from disbench.models.bsanet.network import BSANet, used
from disbench.registry.card import Card

MEAN = torch.tensor([0.485, 0.456, 0.406])
DEVIATION = torch.tensor([0.229, 0.224, 0.225])


class Predictor(Network):
    """`weights`: what the authors' trainer saves, or "untrained" for a network as drawn from seed 0.

    `size`: pixels a side.
    """

    memory_format = torch.channels_last  # faster on the CPU too

    def __init__(self, card: Card, weights: str, device: str | None, size: str = ""):
        file = opened(weights, used)
        super().__init__(card, file, file.into(BSANet), device, size)

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W), resized with antialiasing in 8 bit and then normalised by channel."""
        resized = np.array(Image.fromarray(image).resize(self.size, Image.Resampling.BILINEAR))
        return ((torch.from_numpy(resized) / 255 - MEAN) / DEVIATION).permute(2, 0, 1).contiguous()

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> logits (b, H, W), which `restore` resizes before their sigmoid."""
        return self.net(batch).refined[0][:, 0]

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """Logits (H, W) -> uint8 (h, w): resized corner to corner, sigmoid, stretched from min to max, rounded."""
        resized = functional.interpolate(output[None, None], size, mode="bilinear", align_corners=True)[0, 0].sigmoid()
        low, high = resized.aminmax()
        return ((resized - low) / (high - low + 1e-8) * 255).round().to(torch.uint8).cpu().numpy()
