"""Resizing of prediction maps to the size of their ground truth, by protocol."""

import cv2
import numpy as np


def resize_map(mask: np.ndarray, size: tuple[int, int], how: str) -> np.ndarray:
    """A uint8 map at another (h, w), as a protocol's `resize` says."""
    height, width = size
    if how == "opencv-bilinear":
        return cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
    from PIL import Image

    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.BICUBIC))
