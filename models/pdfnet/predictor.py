"""PDFNet behind disbench's Predictor interface, with the authors' steps before and after the network."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from disbench.errors import InputError
from disbench.models._parts.network import NetworkPredictor, open_weights
from disbench.models.mvanet.predictor import DEVIATION, MEAN, average_passes
from disbench.models.mvanet.predictor import PASSES as PASSES_OF_MVANET
from disbench.models.pdfnet.network import MULTIPLE, PDFNet, drop_training
from disbench.registry.card import Card

PASSES = {"six": PASSES_OF_MVANET["2024"], "one": PASSES_OF_MVANET["one"]}


class Predictor(NetworkPredictor):
    """Predict with PDFNet from an image and its depth.

    Args:
        card: Card of the method.
        weights: The authors' file, or "untrained" for weights drawn from seed 0.
        device: Device; default: the best one.
        passes: Passes to average: "six", as the authors, mirrored or not, at three scales; or "one". Default: "one" if
            an option or the file has a working size, otherwise "six".
        size: Working size in pixels per side, a multiple of 256; default: the file's, otherwise the card's.
        state: State dict of the file, for a file that has several, such as "ema"; default: the plain one.
    """

    multiple = MULTIPLE

    def __init__(self, card: Card, weights: str, device: str | None, passes: str = "", size: str = "", state: str = ""):
        if passes and passes not in PASSES:
            raise InputError(f"passes={passes}: must be one of {', '.join(PASSES)}")
        file = open_weights(weights, drop_training, wanted=state)
        passes = passes or ("one" if size or file.size else "six")
        super().__init__(card, file, file.fill(PDFNet), device, size, passes=passes)
        self.passes = PASSES[passes]
        if any(self.size[0] * scale % MULTIPLE for _, scale in self.passes):
            raise InputError(
                f"--option size={self.size[0]}: not with passes=six, whose scaled sizes must be multiples of {MULTIPLE}"
            )
        self.title += f", passes {passes}" if passes != "six" else ""

    def prepare(self, image: np.ndarray, *, depth: np.ndarray) -> Tensor:
        """Resize both in 8 bit, normalise colours by channel, and append depth.

        Args:
            image: uint8 (h, w, 3).
            depth: uint8 (h, w).

        Returns:
            float32 (4, H, W); depth is in [0, 1].
        """
        colours = self._resize(torch.from_numpy(image).permute(2, 0, 1)) / 255
        colours = (colours - MEAN[:, None, None]) / DEVIATION[:, None, None]
        return torch.cat((colours, self._resize(torch.from_numpy(depth)[None]) / 255))

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """(b, 4, H, W) -> (b, H, W) in [0, 1], from the mean of the logits of all passes."""
        return average_passes(self.net, batch, self.passes)[:, 0].sigmoid()

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H, W) -> uint8 (h, w): truncated to 8 bit, then resized."""
        levels = Image.fromarray((output * 255).to(torch.uint8).cpu().numpy())
        return np.array(levels.resize(size[::-1], Image.Resampling.BILINEAR))

    def _resize(self, planes: Tensor) -> Tensor:
        """uint8 (c, h, w) -> uint8 (c, H, W): each of the two directions is rounded to 8 bit, as torch does."""
        return functional.interpolate(planes[None], self.size, mode="bilinear", align_corners=True)[0]
