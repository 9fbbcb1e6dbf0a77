"""Binary images of one bit per pixel, for measures of their shapes: 64 pixels are looked at together."""

import numpy as np


def pack(pixels: np.ndarray) -> np.ndarray:
    """bool or uint8 (h, w) as uint64 (h, words), 64 pixels each, the first the lowest, with zeros behind the last."""
    height, width = pixels.shape
    words = np.zeros((height, -(-width // 64)), np.uint64)
    words.view(np.uint8)[:, : -(-width // 8)] = np.packbits(pixels, axis=1, bitorder="little")
    return words


def unpack(words: np.ndarray, width: int) -> np.ndarray:
    """uint8 (h, width), 0 or 1, of packed pixels."""
    return np.unpackbits(words.view(np.uint8), axis=1, count=width, bitorder="little")
