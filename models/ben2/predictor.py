"""BEN2 behind disbench's Predictor interface, with the authors' steps before and after the network."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from disbench.models._parts.network import NetworkPredictor, Options, open_weights, parse_options
from disbench.models._parts.swin import drop_buffers
from disbench.models.ben2.network import BEN2
from disbench.models.mvanet.network import rename_layers
from disbench.models.mvanet.predictor import DEVIATION, MEAN
from disbench.registry.card import Card


class Predictor(NetworkPredictor):
    """Predict with BEN2 base.

    Args:
        card: Card of the method.
        weights: The authors' file, or "untrained" for weights drawn from seed 0.
        device: Device; default: the best one.
        **options: Fields of `Options`; the size is a multiple of 128.
    """

    multiple = 128

    def __init__(self, card: Card, weights: str, device: str | None, **options: str):
        given = parse_options(Options, card, device, options)
        file = open_weights(weights, lambda state: rename_layers(drop_buffers(state)), wanted=given.state)
        super().__init__(card, file, file.fill(BEN2), device, given)

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W), resized in 8 bit by Lanczos, then normalised by channel."""
        resized = np.array(Image.fromarray(image).resize(self.size, Image.Resampling.LANCZOS))
        return ((torch.from_numpy(resized) / 255 - MEAN) / DEVIATION).permute(2, 0, 1).contiguous()

    def run_net(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, H, W) in [0, 1]."""
        return self.net(batch)[:, 0].sigmoid()

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H, W) -> uint8 (h, w): resized, stretched from min to max, truncated; 0 if all are equal."""
        resized = functional.interpolate(output[None, None], size, mode="bilinear", align_corners=False)[0, 0]
        low, high = resized.aminmax()
        stretched = (resized - low) / (high - low).clamp_min(torch.finfo(resized.dtype).tiny)
        return (stretched * 255).to(torch.uint8).cpu().numpy()
