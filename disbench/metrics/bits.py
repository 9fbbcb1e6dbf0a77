"""Binary images packed to one bit per pixel, so that measures of shapes process 64 pixels at once."""

import numpy as np


def pack(pixels: np.ndarray) -> np.ndarray:
    """Pack bool or uint8 (h, w) into uint64 (h, words).

    A word holds 64 pixels, the first in its lowest bit. The bits behind the last pixel of a row are 0.
    """
    height, width = pixels.shape
    words = np.zeros((height, -(-width // 64)), np.uint64)
    words.view(np.uint8)[:, : -(-width // 8)] = np.packbits(pixels, axis=1, bitorder="little")
    return words


def unpack(words: np.ndarray, width: int) -> np.ndarray:
    """Unpack uint64 (h, words) into uint8 (h, width), 0 or 1."""
    return np.unpackbits(words.view(np.uint8), axis=1, count=width, bitorder="little")


def count_bits(words: np.ndarray) -> int:
    """Count the foreground pixels of a packed image."""
    return int(np.bitwise_count(words).sum(dtype=np.int64))
