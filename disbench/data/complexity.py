"""The complexity of a mask: the three numbers by which DIS5K ranks its test images into DIS-TE1..4."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from disbench.errors import InputError

EPSILON = 2.0  # pixels by which a polygon of dominant points may deviate from its contour


@dataclass(frozen=True)
class Complexity:
    """The complexity of one mask.

    Attributes:
        ipq: isoperimetric quotient L^2 / (4 pi A) of perimeter L and area A; 1 for a disc.
        contours: number of closed contours, including contours of holes.
        points: number of dominant points of all contours.
    """

    ipq: float
    contours: int
    points: int

    @property
    def rank(self) -> float:
        """The number by which DIS5K sorts its test images: structure complexity times boundary complexity."""
        return self.ipq * self.points


def measure_complexity(truth: np.ndarray) -> Complexity:
    """Measure the complexity of a mask, uint8 (h, w), foreground where > 128. Without foreground it is (0, 0, 0).

    The paper (Qin et al., Highly accurate dichotomous image segmentation, ECCV 2022, section 3) defines the three
    numbers, names Ramer-Douglas-Peucker for the points, and sorts test images by ipq x points. The authors' repository
    has no code for it, so these details are our choice: L runs through the centres of the border pixels, also of holes
    (so L of a single pixel is 0), A counts foreground pixels, objects are 8-connected, and the tolerance is 2 pixels as
    in their human correction efforts.
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
    """Split images into equal parts in ascending order of rank, as DIS-TE1..4 were made.

    Args:
        ranks: one number per image.
        count: number of parts.

    Returns:
        The part of each image, 1 to count.

    Raises:
        InputError: for more parts than images.
    """
    if count > len(ranks):
        raise InputError(f"{len(ranks)} images cannot be cut into {count} parts; choose fewer parts")
    order = sorted(range(len(ranks)), key=lambda i: ranks[i])
    parts = [0] * len(ranks)
    for place, i in enumerate(order):
        parts[i] = place * count // len(ranks) + 1
    return parts
