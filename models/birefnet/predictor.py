"""BiRefNet behind disbench's Protocol, with the authors' own steps before and after the network."""

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from disbench.errors import InputError
from disbench.models._parts.network import Network, opened
from disbench.models._parts.swin import learned
from disbench.models.birefnet.network import ORDERS, BiRefNet, size_of
from disbench.registry.card import Card

MEAN = torch.tensor([0.485, 0.456, 0.406])
DEVIATION = torch.tensor([0.229, 0.224, 0.225])


class Predictor(Network):
    """`weights`: the authors' file, or "untrained" for Swin-L as drawn from seed 0; `patches`: see network.BiRefNet.

    `size`: pixels a side.
    """

    def __init__(self, card: Card, weights: str, device: str | None, patches: str = "legacy", size: str = ""):
        if patches not in ORDERS:
            raise InputError(f"patches={patches}: one of {', '.join(ORDERS)}")
        file = opened(weights, learned)
        swin = size_of(file.state) if file.state else "large"
        net = file.into(lambda: BiRefNet(swin, patches))
        super().__init__(card, file, net, device, size, kind="-lite" if swin == "tiny" else "", patches=patches)
        self.title += f", {patches} patches"

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W), resized in 8 bit and then normalised by channel."""
        resized = torch.from_numpy(cv2.resize(image, self.size, interpolation=cv2.INTER_LINEAR))
        return ((resized / 255 - MEAN) / DEVIATION).permute(2, 0, 1).contiguous()

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, H, W) in [0, 1]."""
        return self.net(batch)[:, 0].sigmoid()

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H, W) -> uint8 (h, w): resized from corner to corner, truncated."""
        resized = functional.interpolate(output[None, None], size, mode="bilinear", align_corners=True)[0, 0]
        return (resized * 255).to(torch.uint8).cpu().numpy()
