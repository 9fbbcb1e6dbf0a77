"""How intricate a mask is: the three numbers by which DIS5K ranks its test images into DIS-TE1..4."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from disbench.errors import InputError

EPSILON = 2.0  # pixels


@dataclass(frozen=True)
class Complexity:
    """Of one mask.

    ipq: isoperimetric quotient L^2 / (4 pi A) of perimeter L and area A, 1 for a disc
    contours: number of closed contours, those of holes included
    points: number of dominant points of all contours
    """

    ipq: float
    contours: int
    points: int

    @property
    def rank(self) -> float:
        """What DIS5K sorts its test images by: structure complexity times boundary complexity."""
        return self.ipq * self.points


def measure_complexity(truth: np.ndarray) -> Complexity:
    """Complexity of a mask, uint8 (h, w), foreground where > 128; (0, 0, 0) where there is none.

    Defined by the paper (Qin et al., Highly Accurate Dichotomous Image Segmentation, ECCV 2022, section 3):
    the three measures, Ramer-Douglas-Peucker for the points, and the order of test images by ipq x points.
    Our choice, as the authors' repository holds no code for it: L runs through the centres of the border
    pixels, of holes too (so a lone pixel has L = 0); A counts foreground pixels; objects are 8-connected; the
    tolerance is 2 pixels, that of their metric of human correction efforts.
    """
    foreground = (truth > 128).view(np.uint8)
    contours, _ = cv2.findContours(foreground, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return Complexity(0.0, 0, 0)
    length = sum(cv2.arcLength(contour, closed=True) for contour in contours)
    points = sum(len(cv2.approxPolyDP(contour, EPSILON, closed=True)) for contour in contours)
    area = cv2.countNonZero(foreground)
    return Complexity(length * length / (4 * math.pi * area), len(contours), points)


def split_equally(ranks: Sequence[float], count: int) -> list[int]:
    """Part 1..count of each image: equal parts in ascending order of rank, as DIS-TE1..4 were cut.

    InputError for more parts than images.
    """
    if count > len(ranks):
        raise InputError(f"{len(ranks)} images cannot be cut into {count} parts")
    order = sorted(range(len(ranks)), key=lambda i: ranks[i])
    part = [0] * len(ranks)
    for place, i in enumerate(order):
        part[i] = place * count // len(ranks) + 1
    return part
