"""IFA behind disbench's Protocol. Its authors never ran it on DIS5K: the steps around it are those of their evaluation.

That evaluation averages six scales; here is one, the size that DIS papers give.
"""

import numpy as np
import torch
from torch import Tensor

from disbench.models._parts.network import Network, opened
from disbench.models.ifa.network import IFA, enlarged
from disbench.registry.card import Card

MEAN = np.array([123.675, 116.28, 103.53])
DEVIATION = np.array([58.395, 57.12, 57.375])
CLASSES = "decoder.ifa.imnet.9.bias"


class Predictor(Network):
    """`weights`: what the authors' trainer saves, or "untrained" for one class as drawn from seed 0.

    `size`: pixels a side.
    """

    memory_format = torch.channels_last  # faster on the CPU too

    def __init__(self, card: Card, weights: str, device: str | None, size: str = ""):
        file = opened(weights)
        classes = file.classes(CLASSES)
        super().__init__(card, file, file.into(lambda: IFA(classes)), device, size)

    def prepare(self, image: np.ndarray) -> Tensor:
        """uint8 (h, w, 3) -> float32 (3, H, W), normalised by channel in float64 and only then resized."""
        normalised = torch.from_numpy(((image - MEAN) / DEVIATION).astype(np.float32))
        return enlarged(normalised.permute(2, 0, 1)[None], self.size)[0]

    @torch.inference_mode()
    def infer(self, batch: Tensor) -> Tensor:
        """(b, 3, H, W) -> probabilities (b, H, W) of foreground."""
        logits = self.net(batch)[0]
        return logits.sigmoid()[:, 0] if logits.shape[1] == 1 else logits.softmax(1)[:, 1]

    def restore(self, output: Tensor, size: tuple[int, int]) -> np.ndarray:
        """(H, W) in [0, 1] -> uint8 (h, w): resized and rounded."""
        resized = enlarged(output[None, None], size)[0, 0]
        return (resized * 255).round().to(torch.uint8).cpu().numpy()
