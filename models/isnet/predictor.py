"""IS-Net behind disbench's Protocol, with the authors' own steps before and after the network."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from disbench.models import Card
from disbench.models._parts import device as devices
from disbench.models._parts import weights as files
from disbench.models.isnet.network import ISNet


class Predictor:
    """`weights`: the authors' file, or "untrained" for a network as drawn from seed 0; `size`: pixels a side."""

    def __init__(self, card: Card, weights: str, device: str | None, size: str = ""):
        self.device = devices.pick(device)
        self.size = (files.working_size(size, card.protocol["size"]),) * 2
        if weights == "untrained":
            net, name = files.untrained(ISNet), weights
        else:
            path = files.find(weights, ())
            net, name = files.build(ISNet, files.unwrapped(files.read(path)), path), Path(weights).name
        at = f", {size} px" if size else ""
        self.title = f"{card.title} ({name}{at})"  # which of the checkpoints it is, the file does not say
        self.identity = {"weights": files.digest(sorted(net.state_dict().items()))} | ({"size": size} if size else {})
        self.net = net.to(self.device, memory_format=torch.channels_last)

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
