"""What an adapter writes: the Predictor interface."""

from typing import Any, Protocol

import numpy as np


class Predictor(Protocol):
    """All that an adapter writes. `Array` is a torch tensor, or NumPy for models without torch."""

    device: str
    identity: dict[str, Any]  # what decides the scores beside the card: digest of the weights, working size, ...

    def prepare(self, image: np.ndarray) -> Any:
        """uint8 (h, w, 3) RGB -> host array (c, H, W); outside what papers call inference."""

    def infer(self, batch: Any) -> Any:
        """(b, c, H, W) on the device -> (b, H', W'), float in [0, 1] or logits; what papers call inference."""

    def restore(self, output: Any, size: tuple[int, int]) -> np.ndarray:
        """One (H', W') output -> uint8 (h, w) map at the image's own size."""
