"""Resizing of prediction maps to the size of their ground truth, by protocol."""

import cv2
import numpy as np


def resize_map(mask: np.ndarray, size: tuple[int, int], method: str) -> np.ndarray:
    """Resize a uint8 map to (h, w).

    Args:
        mask: the map.
        size: the size to make it.
        method: a protocol's `resize`. "opencv-bilinear", "pillow-bicubic", or "opencv-bilinear-both", which is the
            first for maps of which both sides have another length. Maps that share a side are refused by match_maps().

    Returns:
        The map of this size.
    """
    height, width = size
    if method.startswith("opencv-bilinear"):
        return cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
    from PIL import Image

    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.BICUBIC))
