"""The context measures of camouflaged object detection; see disbench.metrics.context and .camouflage."""

import cv2
import numpy as np

from disbench.errors import InputError
from disbench.metrics.camouflage import ALPHA, BETA2, GAMMA, LAMBDA, Part, camouflage_degree, score_context
from disbench.pysodmetrics.pair import Pair, read_pair
from disbench.pysodmetrics.sod_metrics import mean_of
from disbench.pysodmetrics.utils import TYPE


class ContextMeasure:
    """The harmonic mean of a map's relevance and completeness.

    Args:
        beta2: weight of relevance.
        alpha: pixels over which the truth is blurred.
    """

    def __init__(self, beta2: float = 1.0, alpha: float = ALPHA):
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
        def read_values(part: Part) -> np.ndarray:
            return cv2.LUT(pair.levels[part], pair.unit) if pair.values is None else pair.values[part].astype(TYPE)

        if pair.values is None:
            total = (int(pair.levels.sum(dtype=np.int64)) - pair.lo * pair.levels.size) / (pair.hi - pair.lo)
        else:
            total = float(pair.values.sum(dtype=TYPE))
        return score_context(read_values, total, pair.foreground, degree, self.beta2, self.alpha)

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

    def __init__(self, beta2: float = BETA2, alpha: float = ALPHA, gamma: int = GAMMA, lambda_spatial: float = LAMBDA):
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

