"""Resizing of prediction maps to the size of their ground truth, by protocol."""

import cv2
import numpy as np

RESIZES = ("opencv-bilinear", "pillow-bicubic")


def resize_map(mask: np.ndarray, size: tuple[int, int], method: str) -> np.ndarray:
    """Resize a uint8 map to (h, w) by a method of RESIZES, as a protocol's `resize` says."""
    height, width = size
    if method == "opencv-bilinear":
        return cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
    from PIL import Image

    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.BICUBIC))
