"""The trivial baseline: every pixel is foreground. Its max F is the least that max F can be."""

import numpy as np

from disbench.registry.card import Card


class AllForeground:
    """Predict foreground everywhere."""

    device = "cpu"

    def __init__(self, card: Card, weights: str | None, device: str | None):
        self.identity: dict = {}

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """uint8 (h, w, 3) -> uint8 (1, h, w)."""
        return image[None, ..., 0]

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """(b, 1, h, w) -> float32 (b, h, w) of ones."""
        return np.ones(batch[:, 0].shape, np.float32)

    def restore(self, output: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 (h, w) -> uint8 (h, w), 255 everywhere."""
        return np.full(size, 255, np.uint8)
