"""PDFNet behind disbench's Predictor interface, with the authors' steps before and after the network."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from disbench.models._parts.passes import PassesPredictor
from disbench.models.mvanet.predictor import DEVIATION, MEAN
from disbench.models.mvanet.predictor import PASSES as PASSES_OF_MVANET
from disbench.models.pdfnet.network import MULTIPLE, PDFNet, drop_training

PASSES = {"six": PASSES_OF_MVANET["2024"], "one": PASSES_OF_MVANET["one"]}


class Predictor(PassesPredictor):
    """Predict with PDFNet from an image and its depth."""

    multiple = MULTIPLE
    choices = PASSES
    build = PDFNet
    convert = staticmethod(drop_training)

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

    def _resize(self, planes: Tensor) -> Tensor:
        """uint8 (c, h, w) -> uint8 (c, H, W): each of the two directions is rounded to 8 bit, as torch does."""
        return functional.interpolate(planes[None], self.size, mode="bilinear", align_corners=True)[0]
