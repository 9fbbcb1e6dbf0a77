"""The context measures of camouflaged object detection; see disbench.metrics.context and .camouflage."""

import math

import cv2
import numpy as np

from disbench.errors import InputError
from disbench.metrics.camouflage import camouflage_degree
from disbench.pysodmetrics.pair import Pair, read_pair
from disbench.pysodmetrics.sod_metrics import mean_of
from disbench.pysodmetrics.utils import EPS, TYPE

REACH = 3  # standard deviations at which the Gaussian ends
ONE_PIXEL = np.exp(-2 * np.array([[2, 1, 2], [1, 0, 1], [2, 1, 2]]))  # for a truth of one pixel: variances 1/4


class ContextMeasure:
    """The harmonic mean of a map's relevance and completeness.

    Args:
        beta2: weight of relevance.
        alpha: pixels over which the truth is blurred.
    """

    def __init__(self, beta2: float = 1.0, alpha: float = 6.0):
        self.beta2 = beta2
        self.alpha = alpha
        self.scores: list[float] = []

    def step(self, pred: np.ndarray, gt: np.ndarray, normalize: bool = True) -> None:
        """Add an image."""
        self.scores.append(self._score(read_pair(pred, gt, normalize), None))

    def compute(self, pred: np.ndarray, gt: np.ndarray, cd: np.ndarray) -> float:
        """Compute the score of a map in 0..1.

        Args:
            pred: the map, float (h, w).
            gt: the truth, of any type; foreground where > 0.
            cd: the degree of camouflage of each pixel, (h, w).

        Returns:
            The score, in 0..1.
        """
        return self._score(read_pair(pred.astype(TYPE), gt > 0, False), cd)

    def _score(self, pair: Pair, degree: np.ndarray | None) -> float:
        if not pair.inside.any():
            return 0.0
        blur = gaussian(pair.foreground, self.alpha)
        part = _part_around(pair.foreground, blur)
        inside = pair.inside[part]
        values = cv2.LUT(pair.levels[part], pair.unit) if pair.values is None else pair.values[part].astype(TYPE)
        # PySODMetrics blurs the truth in single and the map in double precision.
        relevance = cv2.filter2D(inside.astype(np.float32), -1, blur)
        if pair.values is None:
            total = (int(pair.levels.sum(dtype=np.int64)) - pair.lo * pair.levels.size) / (pair.hi - pair.lo)
        else:
            total = float(pair.values.sum(dtype=TYPE))
        relevant = float(np.einsum("yx,yx", relevance, values)) / (total + EPS)
        complete = math.e / (math.e - 1) * (1 - np.exp(-cv2.filter2D(values, -1, blur)[inside]))
        weights = 1 + (degree[part][inside] if degree is not None else np.zeros(complete.size))
        whole = weights.sum() if degree is None else complete.size + float(degree.sum())
        reached = float(complete @ weights) / (whole + EPS)
        return float((1 + self.beta2) * relevant * reached / (self.beta2 * relevant + reached + EPS))

    def get_results(self) -> dict[str, np.ndarray]:
        """Return the mean: {"cm"}."""
        return {"cm": mean_of(self.scores)}


class CamouflageContextMeasure(ContextMeasure):
    """The context measure with more weight where the foreground resembles its surroundings.

    Args:
        beta2: weight of relevance.
        alpha: pixels over which the truth is blurred.
        gamma: how fast the degree of camouflage grows with similarity.
        lambda_spatial: weight of the distance between patches against their colours.
    """

    def __init__(self, beta2: float = 1.2, alpha: float = 6.0, gamma: int = 8, lambda_spatial: float = 20):
        super().__init__(beta2=beta2, alpha=alpha)
        self.gamma = gamma
        self.lambda_spatial = lambda_spatial

    def step(  # type: ignore[override]
        self, pred: np.ndarray, gt: np.ndarray, *, img: np.ndarray, normalize: bool = True
    ) -> None:
        """Add an image.

        Args:
            pred: the map.
            gt: the truth.
            img: the image, uint8 RGB (h, w, 3).
            normalize: stretch the map, and take the truth above 128.

        Raises:
            InputError: for arrays of another type or shape.
        """
        pair = read_pair(pred, gt, normalize)
        if not isinstance(img, np.ndarray) or img.dtype != np.uint8 or img.shape != (*pair.levels.shape, 3):
            size = f"{img.dtype} of shape {img.shape}" if isinstance(img, np.ndarray) else type(img).__name__
            raise InputError(f"img: got {size}; give RGB, uint8 {(*pair.levels.shape, 3)}")
        degree = camouflage_degree(img, pair.inside, self.gamma, self.lambda_spatial)
        self.scores.append(self._score(pair, degree))

    def get_results(self) -> dict[str, np.ndarray]:
        """Return the mean: {"ccm"}."""
        return {"ccm": mean_of(self.scores)}


def _part_around(foreground: np.ndarray, blur: np.ndarray) -> tuple[slice, slice]:
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
