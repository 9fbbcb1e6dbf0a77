"""A slow, naive multi-scale IoU."""

from itertools import pairwise

import numpy as np
from naive import fractions, stretched
from scipy.ndimage import sobel


def multiscale_iou(mask, truth):
    values = fractions(mask)
    adaptive = (values >= min(2 * values.mean(), 1)).astype(bool)
    return {
        "adaptive": iou_of_binary(adaptive, truth > 128),
        "binary": iou_of_binary(stretched(mask) > 0.5, truth > 128),
    }


def curve(mask, truth):
    levels, areas = (stretched(mask) * 255).astype(int), []
    for threshold in range(257):
        same = areas and not (levels == threshold - 1).any()
        areas.append(areas[-1] if same else iou_of_binary(levels >= threshold, truth > 128))
    return areas


def iou_of_binary(predicted, expected):
    predicted, expected = edges(predicted), edges(expected)
    ratios = []
    for scale in range(10):
        hits, truths = cells(predicted, 2**scale), cells(expected, 2**scale)
        ratios.append((len(hits & truths) + 1) / (len(truths) + 1))
    return sum((a + b) / 2 for a, b in pairwise(ratios)) / 9


def edges(image):
    image = image.astype(int)
    return (sobel(image, 0, mode="constant") != 0) | (sobel(image, 1, mode="constant") != 0)


def cells(image, size):
    """Return the cells with an edge pixel, numbered from the last row and column."""
    height, width = image.shape
    return {((height - 1 - y) // size, (width - 1 - x) // size) for y, x in np.argwhere(image).tolist()}
