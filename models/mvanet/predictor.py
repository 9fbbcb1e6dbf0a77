"""MVANet behind disbench's Predictor interface, with the authors' steps before and after the network."""

from itertools import product

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from disbench.models._parts.passes import PassesPredictor
from disbench.models._parts.swin import drop_buffers
from disbench.models._parts.weights import State
from disbench.models.mvanet.network import MVANet, rename_layers

MEAN = torch.tensor([0.485, 0.456, 0.406])
DEVIATION = torch.tensor([0.229, 0.224, 0.225])
# Each pass: mirrored or not, and the scale of the image. The authors changed their scales on 2025-02-28: "2024" are
# their six at the time of the paper.
PASSES = {
    "2025": list(product((False, True), (0.75, 1, 1.125))),
    "2024": list(product((False, True), (0.75, 1, 1.25))),
    "one": [(False, 1)],
}


class Predictor(PassesPredictor):
    """Predict with MVANet."""

    multiple = 128
    choices = PASSES
    build = MVANet

    @staticmethod
    def convert(state: State) -> State:
        """Rename the tensors of a file of any generation."""
        return rename_layers(drop_buffers(state))

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W), resized in 8 bit with antialiasing, then normalised by channel."""
        resized = np.array(Image.fromarray(image).resize(self.size, Image.Resampling.BILINEAR))
        return ((torch.from_numpy(resized) / 255 - MEAN) / DEVIATION).permute(2, 0, 1).contiguous()
