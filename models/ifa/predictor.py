"""IFA behind disbench's Predictor interface, with the steps of the authors' evaluation.

The authors never ran it on DIS5K. Their evaluation averages six scales; this uses one, the size that DIS papers state.
"""

import numpy as np
import torch
from torch import Tensor

from disbench.models._parts.network import NetworkPredictor, Options, open_weights, parse_options
from disbench.models.ifa.network import IFA, enlarge
from disbench.registry.card import Card

MEAN = np.array([123.675, 116.28, 103.53])
DEVIATION = np.array([58.395, 57.12, 57.375])
CLASSES = "decoder.ifa.imnet.9.bias"


class Predictor(NetworkPredictor):
    """Predict with IFA, with one or two classes.

    Args:
        card: Card of the method.
        weights: A file that the authors' trainer saves, or "untrained" for one class, drawn from seed 0.
        device: Device; default: the best one.
        **options: Fields of `Options`; the size is a multiple of 32.
    """

    memory_format = torch.channels_last  # also faster on the CPU

    def __init__(self, card: Card, weights: str, device: str | None, **options: str):
        given = parse_options(Options, card, device, options)
        file = open_weights(weights, wanted=given.state)
        classes = file.count_classes(CLASSES)
        super().__init__(card, file, file.fill(lambda: IFA(classes)), device, given)

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W), normalised by channel in float64, then resized."""
        normalised = torch.from_numpy(((image - MEAN) / DEVIATION).astype(np.float32))
        return enlarge(normalised.permute(2, 0, 1)[None], self.size)[0]

    def run_net(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> probabilities (b, H, W) of foreground."""
        logits = self.net(batch)[0]
        return logits.sigmoid()[:, 0] if logits.shape[1] == 1 else logits.softmax(1)[:, 1]

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H, W) in [0, 1] -> uint8 (h, w): resized and rounded."""
        resized = enlarge(output[None, None], size)[0, 0]
        return (resized * 255).round().to(torch.uint8).cpu().numpy()
