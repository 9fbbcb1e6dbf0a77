"""The interface that an adapter of a model implements."""

from typing import Any, Protocol

import numpy as np


class Predictor(Protocol):
    """Everything that an adapter writes. Arrays are torch tensors, or NumPy arrays for models without torch.

    Attributes:
        device: "cpu", "cuda:0", "mps" ...
        identity: everything that decides the scores apart from the card, such as digest of the weights and size.
    """

    device: str
    identity: dict[str, Any]

    def prepare(self, image: np.ndarray) -> Any:
        """Prepare an image, uint8 (h, w, 3) RGB, as an array (c, H, W) on the host. Papers do not time this stage."""

    def infer(self, batch: Any) -> Any:
        """Run the network on (b, c, H, W) on the device. Papers call this stage inference.

        Returns:
            (b, H', W'), float, probabilities or logits, as `restore` takes them.
        """

    def restore(self, output: Any, size: tuple[int, int]) -> np.ndarray:
        """Bring one output (H', W') to a uint8 (h, w) map of the image's size."""
