"""BiRefNet behind disbench's Predictor interface, with the authors' steps before and after the network."""

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from disbench.errors import InputError
from disbench.models._parts.network import NetworkPredictor, open_weights
from disbench.models._parts.swin import drop_buffers
from disbench.models.birefnet.network import ORDERS, BiRefNet, detect_swin
from disbench.registry.card import Card

MEAN = torch.tensor([0.485, 0.456, 0.406])
DEVIATION = torch.tensor([0.229, 0.224, 0.225])


class Predictor(NetworkPredictor):
    """Predict with BiRefNet, with either of its Swin backbones.

    Args:
        card: Card of the method.
        weights: The authors' file, or "untrained" for Swin-L drawn from seed 0.
        device: Device; default: the best one.
        patches: Order of the image's patches in channels; see network.BiRefNet.
        size: Working size in pixels per side, a multiple of 32; default: the file's, otherwise the card's.
        state: State dict of the file, for a file that has several, such as "ema"; default: the plain one.
    """

    def __init__(
        self,
        card: Card,
        weights: str,
        device: str | None,
        patches: str = "legacy",
        size: str = "",
        state: str = "",
    ):
        if patches not in ORDERS:
            raise InputError(f"patches={patches}: must be one of {', '.join(ORDERS)}")
        file = open_weights(weights, drop_buffers, wanted=state)
        swin = detect_swin(file.state) if file.state else "large"
        net = file.fill(lambda: BiRefNet(swin, patches))
        variant = "-lite" if swin == "tiny" else ""
        super().__init__(card, file, net, device, size, variant=variant, patches=patches)
        self.title += f", {patches} patches"

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W), resized in 8 bit, then normalised by channel."""
        resized = torch.from_numpy(cv2.resize(image, self.size, interpolation=cv2.INTER_LINEAR))
        return ((resized / 255 - MEAN) / DEVIATION).permute(2, 0, 1).contiguous()

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, H, W) in [0, 1]."""
        return self.net(batch)[:, 0].sigmoid()

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H, W) -> uint8 (h, w): resized with aligned corners, truncated."""
        resized = functional.interpolate(output[None, None], size, mode="bilinear", align_corners=True)[0, 0]
        return (resized * 255).to(torch.uint8).cpu().numpy()
