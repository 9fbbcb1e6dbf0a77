"""Resizing of prediction maps to the size of their ground truth, by protocol."""

import cv2
import numpy as np

RESIZES = ("opencv-bilinear", "opencv-bilinear-both", "pillow-bicubic")


def resize_map(mask: np.ndarray, size: tuple[int, int], method: str) -> np.ndarray:
    """Resize a uint8 map to (h, w).

    Args:
        mask: the map.
        size: the size to make it.
        method: a protocol's `resize`, one of RESIZES. "opencv-bilinear-both" is "opencv-bilinear" for maps of which
            both sides have another length. The caller refuses maps that share a side with their ground truth.

    Returns:
        The map of this size.
    """
    height, width = size
    if method.startswith("opencv-bilinear"):
        return cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
    from PIL import Image

    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.BICUBIC))
