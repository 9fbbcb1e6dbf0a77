"""MAE, F, S, E, weighted F and HCE. Each class keeps one number or curve per image, as PySODMetrics does."""

import warnings
from typing import Any

import numpy as np

from disbench.metrics.binary import BINARY_MEASURES, f_measure
from disbench.metrics.effort import effort
from disbench.metrics.kernels import threshold_truth
from disbench.metrics.protocols import NO_EPS, PYSOD
from disbench.metrics.structure import quadrant_histograms
from disbench.metrics.structure import s_measure as score_structure
from disbench.metrics.thresholds import score_mae
from disbench.metrics.weighted import weighted_errors
from disbench.pysodmetrics.float_maps import object_similarity, region_similarity, s_measure
from disbench.pysodmetrics.float_maps import weighted_errors as weighted_errors_of_floats
from disbench.pysodmetrics.pair import Pair, binarise_floats, count_binary, read_pair
from disbench.pysodmetrics.utils import EPS, TYPE


def mean_of(values: list[Any]) -> np.ndarray:
    """Return the mean over images: NaN with a warning where there are none, as in PySODMetrics."""
    return np.mean(np.array(values, dtype=TYPE), axis=0)


class Fmeasure:
    """F, precision and recall at 256 thresholds and at the adaptive one. FmeasureV2 replaces this class.

    Args:
        beta: squared beta, the weight of precision.
    """

    def __init__(self, beta: float = 0.3):
        warnings.warn("Fmeasure is deprecated in PySODMetrics; use FmeasureV2", stacklevel=2)
        self.beta = beta
        self.precisions: list[np.ndarray] = []
        self.recalls: list[np.ndarray] = []
        self.adaptive_fms: list[float] = []
        self.changeable_fms: list[np.ndarray] = []

    def step(self, pred: np.ndarray, gt: np.ndarray, normalize: bool = True) -> None:
        """Add an image."""
        pair = read_pair(pred, gt, normalize, any_shape=True)
        self.adaptive_fms.append(float(self._curves(pair, "adaptive")[2][0]))
        for numbers, curve in zip(
            (self.precisions, self.recalls, self.changeable_fms), self._curves(pair, "dynamic"), strict=True
        ):
            numbers.append(curve)

    def _curves(self, pair: Pair, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return precision, recall and F from threshold 255 down."""
        counts = pair.counts(kind)
        precision, recall = (BINARY_MEASURES[name](counts, PYSOD, NO_EPS) for name in ("precision", "recall"))
        f = f_measure(precision, recall, self.beta, 0)
        return precision[0, ::-1], recall[0, ::-1], f[0, ::-1]

    def cal_adaptive_fm(self, pred: np.ndarray, gt: np.ndarray) -> float:
        """Compute adaptive F of a map in 0..1 and a truth of bool."""
        return float(self._curves(read_pair(pred, gt, False, any_shape=True), "adaptive")[2][0])

    def cal_pr(self, pred: np.ndarray, gt: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Compute precision, recall and F, from threshold 255 down, of a map in 0..1 and a truth of bool."""
        return self._curves(read_pair(pred, gt, False, any_shape=True), "dynamic")

    def get_results(self) -> dict[str, dict[str, np.ndarray]]:
        """Return the means: {"fm": {"adp", "curve"}, "pr": {"p", "r"}}, curves from threshold 255 down."""
        return {
            "fm": {"adp": mean_of(self.adaptive_fms), "curve": mean_of(self.changeable_fms)},
            "pr": {"p": mean_of(self.precisions), "r": mean_of(self.recalls)},
        }


class MAE:
    """The mean absolute error."""

    def __init__(self) -> None:
        self.maes: list[float] = []

    def step(self, pred: np.ndarray, gt: np.ndarray, normalize: bool = True) -> None:
        """Add an image."""
        self.maes.append(self._score(read_pair(pred, gt, normalize, any_shape=True)))

    def _score(self, pair: Pair) -> float:
        if pair.values is None:
            return score_mae(pair.statistics)[0]
        return np.abs(pair.values - pair.inside).mean()

    def cal_mae(self, pred: np.ndarray, gt: np.ndarray) -> float:
        """Compute MAE of a map in 0..1 and a truth of bool."""
        return self._score(read_pair(pred, gt, False, any_shape=True))

    def get_results(self) -> dict[str, np.ndarray]:
        """Return the mean: {"mae"}."""
        return {"mae": mean_of(self.maes)}


class Smeasure:
    """The structure measure.

    Args:
        alpha: weight of object similarity against region similarity.
    """

    def __init__(self, alpha: float = 0.5):
        self.sms: list[float] = []
        self.alpha = alpha

    def step(self, pred: np.ndarray, gt: np.ndarray, normalize: bool = True) -> None:
        """Add an image."""
        self.sms.append(self._score(read_pair(pred, gt, normalize)))

    def _score(self, pair: Pair) -> float:
        if pair.values is None and self.alpha == 0.5:
            foreground = threshold_truth(pair.foreground, 0)
            return score_structure(quadrant_histograms(pair.levels, foreground), pair.lo, pair.hi)
        return s_measure(pair.as_values(), pair.inside, self.alpha)

    def cal_sm(self, pred: np.ndarray, gt: np.ndarray) -> float:
        """Compute S of a map in 0..1 and a truth of bool."""
        return self._score(read_pair(pred, gt, False))

    def object(self, pred: np.ndarray, gt: np.ndarray) -> float:
        """Compute the object similarity of a map in 0..1 and a truth of bool with foreground and background."""
        pair = read_pair(pred, gt, False)
        return object_similarity(pair.as_values(), pair.inside)

    def region(self, pred: np.ndarray, gt: np.ndarray) -> float:
        """Compute the region similarity of a map in 0..1 and a truth of bool with foreground."""
        pair = read_pair(pred, gt, False)
        return region_similarity(pair.as_values(), pair.inside)

    def get_results(self) -> dict[str, np.ndarray]:
        """Return the mean: {"sm"}."""
        return {"sm": mean_of(self.sms)}


class Emeasure:
    """The enhanced-alignment measure at 256 thresholds and at the adaptive one."""

    def __init__(self) -> None:
        self.adaptive_ems: list[float] = []
        self.changeable_ems: list[np.ndarray] = []

    def step(self, pred: np.ndarray, gt: np.ndarray, normalize: bool = True) -> None:
        """Add an image."""
        pair = read_pair(pred, gt, normalize)
        self.gt_fg_numel, self.gt_size = int(np.count_nonzero(pair.inside)), pair.inside.size
        self.changeable_ems.append(self._curve(pair, "dynamic"))
        self.adaptive_ems.append(float(self._curve(pair, "adaptive")[0]))

    def _curve(self, pair: Pair, kind: str) -> np.ndarray:
        return BINARY_MEASURES["e"](pair.counts(kind), PYSOD, NO_EPS)[0, ::-1]

    def cal_adaptive_em(self, pred: np.ndarray, gt: np.ndarray) -> float:
        """Compute adaptive E of a map in 0..1 and a truth of bool."""
        return float(self._curve(read_pair(pred, gt, False), "adaptive")[0])

    def cal_changeable_em(self, pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
        """Compute E, from threshold 255 down, of a map in 0..1 and a truth of bool."""
        return self._curve(read_pair(pred, gt, False), "dynamic")

    cal_em_with_cumsumhistogram = cal_changeable_em

    def cal_em_with_threshold(self, pred: np.ndarray, gt: np.ndarray, threshold: float) -> float:
        """Compute E of a map that is positive at or above a threshold."""
        return float(BINARY_MEASURES["e"](count_binary(pred >= threshold, gt), PYSOD, NO_EPS)[0, 0])

    def get_results(self) -> dict[str, dict[str, np.ndarray]]:
        """Return the means: {"em": {"adp", "curve"}}, the curve from threshold 255 down."""
        return {"em": {"adp": mean_of(self.adaptive_ems), "curve": mean_of(self.changeable_ems)}}


class WeightedFmeasure:
    """Weighted F.

    Args:
        beta: squared beta, the weight of precision.
    """

    def __init__(self, beta: float = 1):
        self.beta = beta
        self.weighted_fms: list[float] = []

    def step(self, pred: np.ndarray, gt: np.ndarray, normalize: bool = True) -> None:
        """Add an image."""
        self.weighted_fms.append(self._score(read_pair(pred, gt, normalize)))

    def _score(self, pair: Pair) -> float:
        if pair.values is None:
            truth, missed, spilled = weighted_errors(pair.levels, pair.foreground, pair.lo, pair.hi)
        else:
            truth, missed, spilled = weighted_errors_of_floats(pair.as_values(), pair.inside)
        if truth == 0:
            return 0.0
        hits = truth - missed
        recall, precision = hits / truth, hits / (hits + spilled + EPS)
        return (1 + self.beta) * recall * precision / (recall + self.beta * precision + EPS)

    def cal_wfm(self, pred: np.ndarray, gt: np.ndarray) -> float:
        """Compute weighted F of a map in 0..1 and a truth of bool."""
        return self._score(read_pair(pred, gt, False))

    def get_results(self) -> dict[str, np.ndarray]:
        """Return the mean: {"wfm"}."""
        return {"wfm": mean_of(self.weighted_fms)}


class HumanCorrectionEffortMeasure:
    """Human correction efforts.

    Args:
        relax: erosions after which an error is too thin to be corrected.
        epsilon: pixels by which a redrawn boundary may deviate.
    """

    def __init__(self, relax: int = 5, epsilon: float = 2.0):
        self.hces: list[int] = []
        self.relax = relax
        self.epsilon = epsilon

    def step(self, pred: np.ndarray, gt: np.ndarray, normalize: bool = True) -> None:
        """Add an image."""
        self.hces.append(self._score(read_pair(pred, gt, normalize)))

    def _score(self, pair: Pair) -> int:
        if pair.values is None:
            levels, above = pair.levels, int(np.count_nonzero(pair.unit <= 0.5)) - 1
        else:
            levels, above = binarise_floats(pair.values, "binary").view(np.uint8), 0
        clicks = effort(levels, pair.foreground, prediction_above=above, relax=self.relax, epsilon=self.epsilon)
        return clicks.total

    def cal_hce(self, pred: np.ndarray, gt: np.ndarray) -> int:
        """Compute HCE of a map in 0..1 and a truth of bool."""
        return self._score(read_pair(pred, gt, False))

    def get_results(self) -> dict[str, np.ndarray]:
        """Return the mean: {"hce"}."""
        return {"hce": mean_of(self.hces)}
