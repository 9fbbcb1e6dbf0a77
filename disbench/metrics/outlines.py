"""Measures of outlines: the boundary F-measure of DAVIS, and the scale-invariant boundary recall of Depth Pro."""

import math

import numpy as np

from disbench.metrics.kernels import kernel
from disbench.metrics.stretch import half_level

BOUND = 0.008  # distance at which outlines match, as a share of the image's diagonal
FAR = np.uint16(65535)
STEPS = 10  # ratios of neighbouring pixels that are an edge for Depth Pro, from 1.05 to 1.25
RATIOS = 189 + 4 * np.arange(STEPS)  # in units of 1 / 180


def boundary_f(prediction: np.ndarray, foreground: np.ndarray, lo: int, hi: int) -> float:
    """Compute the boundary F-measure of the map above 1/2.

    Perazzi et al., A benchmark dataset and evaluation methodology for video object segmentation, CVPR 2016, as in the
    evaluation of DAVIS 2017. A pixel is on an outline if it differs from its right, lower or lower right neighbour.
    It is matched if the other outline is at most 0.8 % of the diagonal away, rounded up.

    Args:
        prediction: the map, uint8 (h, w).
        foreground: the foreground of the truth, uint8 (h, w), 0 or 255.
        lo: the level of the map that stands for 0.
        hi: the level of the map that stands for 1.

    Returns:
        F of the shares of matched pixels, in 0..1. It is 1 if neither map nor truth has an outline, and 0 if one of
        them has none.
    """
    reach = math.ceil(BOUND * math.sqrt(foreground.shape[0] ** 2 + foreground.shape[1] ** 2))
    predicted, expected = _outline(prediction > half_level(lo, hi)), _outline(foreground > 0)
    n_predicted, n_expected = int(predicted.sum()), int(expected.sum())
    if n_predicted == 0 or n_expected == 0:
        return float(n_predicted == n_expected)
    precision = int(_count_near(predicted, _vertical_distance(expected), reach)) / n_predicted
    recall = int(_count_near(expected, _vertical_distance(predicted), reach)) / n_expected
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary_recall(prediction: np.ndarray, foreground: np.ndarray, lo: int, hi: int) -> float:
    """Compute the scale-invariant boundary recall of the map, in the place of an inverse depth.

    Bochkovskii et al., Depth Pro: sharp monocular metric depth in less than a second, ICLR 2025. Between two neighbours
    of the truth is an edge to the left, right, top or bottom if only one of them is foreground. The map has that edge
    if its stretched values have a ratio above a threshold there, and no greater one next to it in the same direction.
    Recall is averaged over the four directions, and over ten thresholds from 1.05 to 1.25, weighted by the threshold.

    Arguments are those of boundary_f(). Returns the recall, in 0..1. It is 0 without an edge in the truth. Ratios are
    compared in integers, so a ratio that equals a threshold is not above it.
    """
    levels = prediction - np.uint8(lo)
    hits, edges = np.zeros((4, STEPS), np.int64), np.zeros(4, np.int64)
    _count_edges(levels, foreground, RATIOS, hits[:2], edges[:2])
    _count_edges(*(np.ascontiguousarray(side.T) for side in (levels, foreground)), RATIOS, hits[2:], edges[2:])
    shares = hits / np.maximum(edges, 1)[:, None]
    return math.fsum((shares * RATIOS).ravel().tolist()) / (4 * int(RATIOS.sum()))


def _outline(inside: np.ndarray) -> np.ndarray:
    """Return the pixels that differ from their right, lower or lower right neighbour, bool (h, w)."""
    outline = np.zeros_like(inside)
    outline[:, :-1] |= inside[:, :-1] ^ inside[:, 1:]
    outline[:-1] |= inside[:-1] ^ inside[1:]
    outline[:-1, :-1] |= inside[:-1, :-1] ^ inside[1:, 1:]
    return outline


@kernel
def _vertical_distance(outline):
    """Return the rows to the nearest pixel of the outline in the same column, uint16 (h, w), up to FAR."""
    height, width = outline.shape
    near = np.full((height, width), FAR, np.uint16)
    for y in range(height):
        for x in range(width):
            if outline[y, x]:
                near[y, x] = 0
            elif y > 0 and near[y - 1, x] < FAR:
                near[y, x] = near[y - 1, x] + 1
    for y in range(height - 2, -1, -1):
        for x in range(width):
            if near[y + 1, x] < near[y, x]:
                near[y, x] = min(near[y, x], near[y + 1, x] + 1)
    return near


@kernel
def _count_near(outline, near, reach):
    """Count the pixels of an outline that have the other one within a disc; `near` are vertical distances to that."""
    height, width = outline.shape
    count = 0
    for y in range(height):
        for x in range(width):
            if not outline[y, x]:
                continue
            for column in range(max(0, x - reach), min(width, x + reach + 1)):
                down = np.int64(near[y, column])
                if down * down + (column - x) * (column - x) <= reach * reach:
                    count += 1
                    break
    return count


@kernel
def _count_edges(levels, foreground, ratios, hits, edges):
    """Count the edges of the truth along rows, to the right and to the left, and those that the map has.

    Args:
        levels: the map, uint8 (h, w).
        foreground: the foreground of the truth, uint8 (h, w).
        ratios: the thresholds, in units of 1 / 180.
        hits: edges of the map at each threshold, (2, n), to add to.
        edges: edges of the truth, (2,), to add to.
    """
    height, width = levels.shape
    for y in range(height):
        for side in range(2):
            for x in range(width - 1):
                edges[side] += foreground[y, x + 1 - side] > foreground[y, x + side]
            for step in range(ratios.size):
                best, most, least = -1, 0, 0
                for x in range(width):
                    upper, lower = 0, 0
                    if x < width - 1:
                        upper, lower = np.int64(levels[y, x + 1 - side]), np.int64(levels[y, x + side])
                    if 180 * upper > ratios[step] * lower:
                        if best < 0 or upper * least > most * lower:
                            best, most, least = x, upper, lower
                    elif best >= 0:
                        hits[side, step] += foreground[y, best + 1 - side] > foreground[y, best + side]
                        best = -1
