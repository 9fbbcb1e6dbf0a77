"""MVANet behind disbench's Predictor interface, with the authors' steps before and after the network."""

from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from disbench.errors import InputError
from disbench.models._parts.network import NetworkPredictor, open_weights
from disbench.models._parts.swin import drop_buffers
from disbench.models.mvanet.network import MVANet, rename_layers
from disbench.registry.card import Card

MEAN = torch.tensor([0.485, 0.456, 0.406])
DEVIATION = torch.tensor([0.229, 0.224, 0.225])
# Each pass: mirrored or not, and the scale of the image. The authors changed their scales on 2025-02-28.
PASSES = {
    "2025": list(product((False, True), (0.75, 1, 1.125))),
    "2024": list(product((False, True), (0.75, 1, 1.25))),
    "one": [(False, 1)],
}


class Predictor(NetworkPredictor):
    """Predict with MVANet.

    Args:
        card: Card of the method.
        weights: The authors' file, or "untrained" for weights drawn from seed 0.
        device: Device; default: the best one.
        passes: Passes to average: "2025", the authors' six; "2024", their six at the time of the paper; or "one".
            Default: "one" if an option or the file has a working size, otherwise "2025".
        size: Working size in pixels per side, a multiple of 128; default: the file's, otherwise the card's.
        state: State dict of the file, for a file that has several, such as "ema"; default: the plain one.
    """

    multiple = 128

    def __init__(self, card: Card, weights: str, device: str | None, passes: str = "", size: str = "", state: str = ""):
        if passes and passes not in PASSES:
            raise InputError(f"passes={passes}: must be one of {', '.join(PASSES)}")
        file = open_weights(weights, lambda state: rename_layers(drop_buffers(state)), wanted=state)
        passes = passes or ("one" if size or file.size else "2025")
        super().__init__(card, file, file.fill(MVANet), device, size, passes=passes)
        self.passes = PASSES[passes]
        if any(self.size[0] * scale % 128 for _, scale in self.passes):
            raise InputError(
                f"--option size={self.size[0]}: not with passes={passes}, whose scaled sizes must be multiples of 128"
            )
        self.title += f", passes {passes}" if passes != "2025" else ""

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W), resized in 8 bit with antialiasing, then normalised by channel."""
        resized = np.array(Image.fromarray(image).resize(self.size, Image.Resampling.BILINEAR))
        return ((torch.from_numpy(resized) / 255 - MEAN) / DEVIATION).permute(2, 0, 1).contiguous()

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, H, W) in [0, 1], from the mean of the logits of all passes."""
        return average_passes(self.net, batch, self.passes)[:, 0].sigmoid()

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H, W) -> uint8 (h, w): truncated to 8 bit, then resized."""
        levels = Image.fromarray((output * 255).to(torch.uint8).cpu().numpy())
        return np.array(levels.resize(size[::-1], Image.Resampling.BILINEAR))


def average_passes(net: Callable[[Tensor], Tensor], batch: Tensor, passes: list[tuple[bool, float]]) -> Tensor:
    """Run a network on (b, c, H, W) in each pass, mirrored or not and scaled: the mean of its logits, (b, 1, H, W)."""
    return torch.stack([_run_pass(net, batch, *settings) for settings in passes]).mean(0)


def _run_pass(net: Callable[[Tensor], Tensor], batch: Tensor, mirrored: bool, scale: float) -> Tensor:
    image = batch.flip(-1) if mirrored else batch
    size = tuple(batch.shape[-2:])
    logits = _resized(net(_resized(image, tuple(int(side * scale) for side in size))), size)
    return logits.flip(-1) if mirrored else logits


def _resized(x: Tensor, size: tuple[int, ...]) -> Tensor:
    return x if x.shape[-2:] == size else functional.interpolate(x, size, mode="bilinear", align_corners=False)
