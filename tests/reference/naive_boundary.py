"""Slow, naive measures of boundaries. `mask` and `truth` are uint8 (h, w)."""

import math

import cv2
import numpy as np
from naive import stretched
from scipy.ndimage import binary_dilation, minimum_filter


def inside(levels):
    """Return what an erosion by a square removes, with 0 outside of the image."""
    reach = max(1, round(0.02 * math.sqrt(levels.shape[0] ** 2 + levels.shape[1] ** 2)))
    return levels - minimum_filter(levels, 2 * reach + 1, mode="constant", cval=0)


def iou(predicted, expected):
    return (predicted & expected).sum() / max((predicted | expected).sum(), 1)


def boundary_iou(mask, truth):
    predicted, expected = (inside(image.astype(int)) > 0 for image in (stretched(mask) > 0.5, truth > 128))
    return iou(predicted, expected)


def grey_boundary_iou(mask, truth):
    predicted, expected = inside((stretched(mask) * 255).astype(int)), inside((truth > 128).astype(int)) > 0
    return [iou(predicted >= threshold, expected) for threshold in range(256)]


def mean_boundary_accuracy(mask, truth):
    predicted, expected = mask > 128, truth > 128
    longest = sum(mask.shape) / 300
    shares = []
    for step in range(5):
        radius = 1 + int((longest - 1) / 5 * step)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        around = binary_dilation(expected, disc) & binary_dilation(~expected, disc)
        shares.append((around & (predicted == expected)).sum() / max(around.sum(), 1))
    return np.mean(shares)
