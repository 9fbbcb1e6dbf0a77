"""Measures of boundaries once more, slow and plain; mask and truth are uint8 (h, w)."""

import math

import cv2
import numpy as np
from naive import stretched
from scipy.ndimage import binary_dilation, minimum_filter


def inside(levels):
    """What an erosion by a square takes away, where there is 0 outside of the image."""
    reach = max(1, round(0.02 * math.sqrt(levels.shape[0] ** 2 + levels.shape[1] ** 2)))
    return levels - minimum_filter(levels, 2 * reach + 1, mode="constant", cval=0)


def iou(found, wanted):
    return (found & wanted).sum() / max((found | wanted).sum(), 1)


def boundary_iou(mask, truth):
    found, wanted = (inside(image.astype(int)) > 0 for image in (stretched(mask) > 0.5, truth > 128))
    return iou(found, wanted)


def grey_boundary_iou(mask, truth):
    found, wanted = inside((stretched(mask) * 255).astype(int)), inside((truth > 128).astype(int)) > 0
    return [iou(found >= threshold, wanted) for threshold in range(256)]


def mean_boundary_accuracy(mask, truth):
    found, wanted = mask > 128, truth > 128
    longest = sum(mask.shape) / 300
    shares = []
    for step in range(5):
        radius = 1 + int((longest - 1) / 5 * step)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        around = binary_dilation(wanted, disc) & binary_dilation(~wanted, disc)
        shares.append((around & (found == wanted)).sum() / max(around.sum(), 1))
    return np.mean(shares)
