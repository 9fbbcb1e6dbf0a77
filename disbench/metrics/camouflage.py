"""The degree of camouflage (how well its surroundings could replace a foreground), and the measure that it weights.

Wang et al., Context-measure: contextualizing metric for camouflage, arXiv:2512.07076, 2025, as PySODMetrics 1.6.2
transcribes it. Each patch of the foreground is replaced by the most similar patch of its surroundings; the degree of a
pixel grows with the similarity of its old and new colour.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from disbench.metrics.protocols import EPS
from disbench.metrics.stretch import stretch_levels

BETA2 = 1.2  # weight of relevance
ALPHA = 6.0  # pixels over which the truth is blurred
GAMMA = 8  # how fast the degree of camouflage grows with similarity
LAMBDA = 20  # weight of the distance between patches against their colours
REACH = 3  # standard deviations at which the Gaussian ends
ONE_PIXEL = np.exp(-2 * np.array([[2, 1, 2], [1, 0, 1], [2, 1, 2]]))  # for a truth of one pixel: variances 1/4
PATCH = 7  # pixels
STEP = 3  # pixels between patches
SURROUNDINGS = 20  # pixels of the square that widens the foreground
BATCH = 1024  # patches whose distances are in memory together

# Linear RGB to XYZ (sRGB primaries), and the white point D65 of the 2° observer.
XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
WHITE = np.array([0.95047, 1.0, 1.08883])


Part = tuple[slice, slice]


def camouflage_context(prediction: np.ndarray, foreground: np.ndarray, lo: int, hi: int, degree: np.ndarray) -> float:
    """Compute the context measure with more weight where the foreground resembles its surroundings.

    Args:
        prediction: the map, uint8 (h, w).
        foreground: the foreground of the truth, uint8 (h, w), 0 or 255.
        lo: the level of the map that stands for 0.
        hi: the level of the map that stands for 1.
        degree: the degree of camouflage, as camouflage_degree() returns it for GAMMA and LAMBDA.

    Returns:
        The score, in 0..1; higher is better. 0 if map or truth is empty.
    """
    values = stretch_levels(lo, hi)
    total = (int(prediction.sum(dtype=np.int64)) - lo * prediction.size) / (hi - lo)
    return score_context(lambda part: cv2.LUT(prediction[part], values), total, foreground, degree, BETA2, ALPHA)


def score_context(
    read_values: Callable[[Part], np.ndarray],
    total: float,
    foreground: np.ndarray,
    degree: np.ndarray | None,
    beta2: float,
    alpha: float,
) -> float:
    """Compute the weighted harmonic mean of a map's relevance and completeness, in double precision.

    Args:
        read_values: function that returns a part of the map, float64 in 0..1.
        total: sum of the map.
        foreground: the foreground of the truth, uint8 (h, w), 0 or another number.
        degree: weights of the foreground's pixels are 1 plus this, (h, w). None: 1.
        beta2: weight of relevance.
        alpha: pixels over which the truth is blurred.

    Returns:
        The score, in 0..1. 0 if the truth is empty.
    """
    if not foreground.any():
        return 0.0
    blur = gaussian(foreground, alpha)
    part = _part_around(foreground, blur)
    inside, values = foreground[part] > 0, read_values(part)
    # PySODMetrics blurs the truth in single and the map in double precision.
    relevance = cv2.filter2D(inside.astype(np.float32), -1, blur)
    relevant = float(np.einsum("yx,yx", relevance, values)) / (total + EPS)
    complete = math.e / (math.e - 1) * (1 - np.exp(-cv2.filter2D(values, -1, blur)[inside]))
    weights = 1 + (degree[part][inside] if degree is not None else np.zeros(complete.size))
    whole = weights.sum() if degree is None else complete.size + float(degree.sum())
    reached = float(complete @ weights) / (whole + EPS)
    return float((1 + beta2) * relevant * reached / (beta2 * relevant + reached + EPS))


def _part_around(foreground: np.ndarray, blur: np.ndarray) -> Part:
    """Return the part of the image that the blurred truth reaches, with a margin that no blur crosses."""
    left, top, width, height = cv2.boundingRect(foreground)
    rows, columns = blur.shape[0] // 2 + 1, blur.shape[1] // 2 + 1
    return np.s_[
        max(0, top - rows) : top + height + rows,
        max(0, left - columns) : left + width + columns,
    ]


def gaussian(foreground: np.ndarray, alpha: float) -> np.ndarray:
    """Return the Gaussian with the shape of the foreground's covariance and total variance alpha^2, of sum 1.

    It is decided in integers whether the foreground is a line. Then the Gaussian lies along that line.
    """
    moments = cv2.moments(foreground, binaryImage=True)
    pixels, columns, rows, rows2, both, columns2 = (
        int(moments[name]) for name in ("m00", "m10", "m01", "m02", "m11", "m20")
    )
    if pixels == 1:
        return ONE_PIXEL / ONE_PIXEL.sum()
    a, b, c = pixels * rows2 - rows**2, pixels * both - rows * columns, pixels * columns2 - columns**2
    determinant, total = a * c - b * b, a + c
    # The covariance, relative to its trace. Quotients of integers are rounded only once.
    vertical, mixed, horizontal = a / total, b / total, c / total
    reach = [round(REACH * alpha * math.sqrt(share)) for share in (vertical, horizontal)]
    y, x = np.ogrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1]
    if determinant:
        distance = (horizontal * y**2 - 2 * mixed * x * y + vertical * x**2) / (determinant / total**2)
        blur = np.exp(-distance / (2 * alpha**2))
    else:
        divisor = math.gcd(a, b, c)
        on_line = (a // divisor * x == b // divisor * y) & (b // divisor * x == c // divisor * y)
        blur = np.where(on_line, np.exp(-(x**2 + y**2) / (2 * alpha**2)), 0)
    return blur / blur.sum()


def camouflage_degree(image: np.ndarray, inside: np.ndarray, gamma: float, lambda_spatial: float) -> np.ndarray:
    """Compute the degree of camouflage of each pixel.

    Args:
        image: uint8 RGB (h, w, 3).
        inside: the foreground of the truth, bool (h, w).
        gamma: how fast the degree grows with similarity.
        lambda_spatial: weight of the distance between patches against their colours.

    Returns:
        Degrees in 0..1, float64 (h, w); 0 outside of the foreground, and everywhere if it or its surroundings hold no
        whole patch.
    """
    degree = np.zeros(inside.shape)
    mask = inside.astype(np.uint8)
    around = cv2.dilate(mask, np.ones((SURROUNDINGS, SURROUNDINGS), np.uint8)) - mask
    old, new = _whole_patches(inside), _whole_patches(around > 0)
    if not len(old) or not len(new):
        return degree
    lab = sliding_window_view(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), (PATCH, PATCH), axis=(0, 1))
    places = np.concatenate([new, old]).astype(np.float64)
    spread = places.std(0)
    places = (places - places.mean(0)) / np.where(spread == 0, 1, spread)
    features = [
        np.hstack([_colours(lab, corners), lambda_spatial * place]).astype(np.float32).astype(np.float64)
        for corners, place in ((new, places[: len(new)]), (old, places[len(new) :]))
    ]
    replaced = _replace(image, old, new[_nearest(*features)])
    colours = rgb_to_lab(replaced[inside]), rgb_to_lab(image[inside])
    similarity = 1 - np.clip(colour_difference(*colours) / 100, 0, 1)
    degree[inside] = (np.exp(gamma * similarity) - 1) / (np.exp(gamma) - 1)
    return degree


def _whole_patches(inside: np.ndarray) -> np.ndarray:
    """Return the upper left corners (n, 2) of the patches that lie in a mask."""
    if min(inside.shape) < PATCH:
        return np.empty((0, 2), np.int64)
    return STEP * np.argwhere(sliding_window_view(inside, (PATCH, PATCH))[::STEP, ::STEP].all((2, 3)))


def _colours(windows: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return the colours of patches, (n, PATCH * PATCH * 3); windows (h, w, 3, PATCH, PATCH)."""
    return windows[corners[:, 0], corners[:, 1]].reshape(len(corners), -1)


def _nearest(candidates: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Return the index of the candidate at the least Euclidean distance from each query, the first of equal ones."""
    squares = (candidates**2).sum(1)
    return np.concatenate(
        [
            (squares - 2 * (queries[start : start + BATCH] @ candidates.T)).argmin(1)
            for start in range(0, len(queries), BATCH)
        ]
    )


def _replace(image: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return the mean of the patches `new` where they are placed at `old`, uint8 (h, w, 3), 0 where there are none."""
    total, count = np.zeros(image.shape, np.int64), np.zeros(image.shape[:2])
    for y, x in np.ndindex(PATCH, PATCH):
        total[old[:, 0] + y, old[:, 1] + x] += image[new[:, 0] + y, new[:, 1] + x]
        count[old[:, 0] + y, old[:, 1] + x] += 1
    return np.round(total / (count + EPS)[..., None]).astype(np.uint8)


def rgb_to_lab(colours: np.ndarray) -> np.ndarray:
    """Convert sRGB, uint8 (n, 3), to CIE Lab, float64 (n, 3)."""
    levels = np.arange(256) / 255
    linear = np.where(levels > 0.04045, ((levels + 0.055) / 1.055) ** 2.4, levels / 12.92)
    ratios = linear[colours] @ XYZ.T / WHITE
    x, y, z = np.where(ratios > 0.008856, np.cbrt(ratios), 7.787 * ratios + 16 / 116).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def colour_difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute CIEDE2000 of colours in CIE Lab, float64 (n, 3).

    Sharma et al., The CIEDE2000 color-difference formula, Color Research & Application 30(1), 2005.
    """
    (l1, a1, b1), (l2, a2, b2) = first.T, second.T
    seventh = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    stretch = 1 + 0.5 * (1 - np.sqrt(seventh / (seventh + 25.0**7)))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.arctan2(b1, a1) % (2 * np.pi), np.arctan2(b2, a2) % (2 * np.pi)
    grey = c1 * c2 == 0
    turn = h2 - h1
    far = np.abs(turn) > np.pi
    turn = np.where(grey, 0, turn - 2 * np.pi * np.where(far, np.sign(turn), 0))
    hue = (h1 + h2) / 2
    hue = np.where(far, np.where(h1 + h2 < 2 * np.pi, hue + np.pi, hue - np.pi), hue)
    hue = np.where(grey, h1 + h2, hue)
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    weight = (
        1
        - 0.17 * np.cos(hue - np.pi / 6)
        + 0.24 * np.cos(2 * hue)
        + 0.32 * np.cos(3 * hue + np.deg2rad(6))
        - 0.20 * np.cos(4 * hue - np.deg2rad(63))
    )
    scale_l = 1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2)
    scale_c, scale_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * weight
    rotation = 60 * np.exp(-(((np.rad2deg(hue) - 275) / 25) ** 2))
    seventh = chroma**7
    mixed = -2 * np.sqrt(seventh / (seventh + 25.0**7)) * np.sin(np.deg2rad(rotation))
    dl, dc = (l2 - l1) / scale_l, (c2 - c1) / scale_c
    dh = 2 * np.sqrt(c1 * c2) * np.sin(turn / 2) / scale_h
    return np.sqrt(np.maximum(dl**2 + dc**2 + dh**2 + mixed * dc * dh, 0))
