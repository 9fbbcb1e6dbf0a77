"""Otsu's threshold on luminance (IEEE Trans. SMC 1979): a baseline without a network."""

import cv2
import numpy as np

from disbench.registry.card import Card


class Otsu:
    """Threshold the luminance by Otsu's method; needs no weights."""

    device = "cpu"

    def __init__(self, card: Card, weights: str | None, device: str | None):
        self.identity: dict = {}

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """uint8 (h, w, 3) RGB -> uint8 (1, h, w) luminance."""
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[None]

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """uint8 (b, 1, h, w) -> float32 (b, h, w), 1 on the side that touches the image's border less."""
        return np.stack([_foreground(grey) for grey in batch[:, 0]]).astype(np.float32)

    def restore(self, output: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """float32 (h, w) -> uint8 (h, w), 0 or 255."""
        return (output * 255).astype(np.uint8)


def _foreground(grey: np.ndarray) -> np.ndarray:
    _, bright = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    border = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
    return 1 - bright if border.mean() > 0.5 else bright
