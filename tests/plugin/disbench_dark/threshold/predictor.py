"""A complete adapter: a model that only needs NumPy."""

import numpy as np


class Dark:
    """Predict foreground where the mean colour is darker than `level`."""

    device = "cpu"

    def __init__(self, card, weights, device, level="100"):
        self.level = int(level)
        self.identity = {"level": self.level}

    def prepare(self, image):
        """uint8 (h, w, 3) -> float64 (1, h, w)."""
        return image.mean(2)[None]

    def infer(self, batch):
        """(b, 1, h, w) -> float32 (b, h, w), 0 or 1."""
        return (batch[:, 0] < self.level).astype(np.float32)

    def restore(self, output, size):
        """(h, w) -> uint8 (h, w)."""
        return (output * 255).astype(np.uint8)
