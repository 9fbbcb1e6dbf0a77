"""FmeasureV2 and its handlers: measures of binary maps from true and false positives and negatives."""

from typing import Any

import numpy as np

from disbench.errors import InputError
from disbench.pysodmetrics.pair import Statistics, list_statistics, read_pair
from disbench.pysodmetrics.utils import TYPE

KINDS = ("dynamic", "adaptive", "binary")
Number = Any  # an int, or an array of counts


class _BaseHandler:
    """A measure of binary maps and its results; subclasses compute the measure from counts.

    Args:
        with_dynamic: compute it at 256 thresholds.
        with_adaptive: compute it at the adaptive threshold.
        with_binary: compute it where maps are above 1/2.
        sample_based: for binary results, score each image, not the sum of their counts.
    """

    def __init__(
        self, with_dynamic: bool, with_adaptive: bool, *, with_binary: bool = False, sample_based: bool = True
    ):
        self.dynamic_results: list[Any] | None = [] if with_dynamic else None
        self.adaptive_results: list[Any] | None = [] if with_adaptive else None
        self.sample_based = sample_based
        self.binary_results: list[Any] | dict[str, int] | None = None
        if with_binary:
            self.binary_results = [] if sample_based else {"tp": 0, "fp": 0, "tn": 0, "fn": 0}

    def __call__(self, tp: Number, fp: Number, tn: Number, fn: Number) -> np.ndarray:
        """Compute the measure."""
        raise NotImplementedError

    @staticmethod
    def divide(numerator: Number, denominator: Number) -> np.ndarray:
        """Divide; the quotient is 0 where the denominator is 0."""
        quotient = np.array(denominator, dtype=TYPE)
        np.divide(numerator, quotient, out=quotient, where=quotient != 0)
        return quotient


class IOUHandler(_BaseHandler):
    """Intersection over union."""

    def __call__(self, tp, fp, tn, fn):
        """Compute TP / (TP + FP + FN)."""
        return self.divide(tp, tp + fp + fn)


class SpecificityHandler(_BaseHandler):
    """Specificity."""

    def __call__(self, tp, fp, tn, fn):
        """Compute TN / (TN + FP)."""
        return self.divide(tn, tn + fp)


class DICEHandler(_BaseHandler):
    """Dice."""

    def __call__(self, tp, fp, tn, fn):
        """Compute 2 TP / (2 TP + FP + FN)."""
        return self.divide(2 * tp, 2 * tp + fp + fn)


class OverallAccuracyHandler(_BaseHandler):
    """Accuracy."""

    def __call__(self, tp, fp, tn, fn):
        """Compute (TP + TN) / all."""
        return self.divide(tp + tn, tp + fp + tn + fn)


class KappaHandler(_BaseHandler):
    """PySODMetrics' kappa, which is not Cohen's: its agreement by chance has (TN + FN)(TN + TP)."""

    def __call__(self, tp, fp, tn, fn):
        """Compute (accuracy - chance) / (1 - chance)."""
        pixels = tp + fp + tn + fn
        accuracy = self.divide(tp + tn, pixels)
        chance = self.divide((tp + fp) * (tp + fn) + (tn + fn) * (tn + tp), pixels**2)
        return self.divide(accuracy - chance, 1 - chance)


class PrecisionHandler(_BaseHandler):
    """Precision."""

    def __call__(self, tp, fp, tn, fn):
        """Compute TP / (TP + FP)."""
        return self.divide(tp, tp + fp)


class RecallHandler(_BaseHandler):
    """Recall."""

    def __call__(self, tp, fp, tn, fn):
        """Compute TP / (TP + FN)."""
        return self.divide(tp, tp + fn)


class FPRHandler(_BaseHandler):
    """False positive rate."""

    def __call__(self, tp, fp, tn, fn):
        """Compute FP / (TN + FP)."""
        return self.divide(fp, tn + fp)


class BERHandler(_BaseHandler):
    """Balanced error rate."""

    def __call__(self, tp, fp, tn, fn):
        """Compute 1 - (recall + specificity) / 2."""
        return 1 - 0.5 * (self.divide(tp, tp + fn) + self.divide(tn, tn + fp))


class FmeasureHandler(_BaseHandler):
    """F.

    Args:
        with_dynamic: compute it at 256 thresholds.
        with_adaptive: compute it at the adaptive threshold.
        with_binary: compute it where maps are above 1/2.
        sample_based: for binary results, score each image, not the sum of their counts.
        beta: squared beta, the weight of precision.
    """

    def __init__(
        self,
        with_dynamic: bool,
        with_adaptive: bool,
        *,
        with_binary: bool = False,
        sample_based: bool = True,
        beta: float = 0.3,
    ):
        super().__init__(with_dynamic, with_adaptive, with_binary=with_binary, sample_based=sample_based)
        self.beta = beta

    def __call__(self, tp, fp, tn, fn):
        """Compute (1 + beta) * precision * recall / (beta * precision + recall)."""
        precision, recall = self.divide(tp, tp + fp), self.divide(tp, tp + fn)
        return self.divide((self.beta + 1) * precision * recall, self.beta * precision + recall)


TNRHandler = SpecificityHandler
TPRHandler = SensitivityHandler = RecallHandler


class FmeasureV2:
    """Measures of binary maps at 256 thresholds, at the adaptive one, and above 1/2.

    Args:
        metric_handlers: handlers by name.
    """

    def __init__(self, metric_handlers: dict[str, Any] | None = None):
        self._metric_handlers = metric_handlers if metric_handlers else {}

    def add_handler(self, handler_name: str, metric_handler: Any) -> None:
        """Add a handler, or replace the one of that name."""
        self._metric_handlers[handler_name] = metric_handler

    @staticmethod
    def get_statistics(binary: np.ndarray, gt: np.ndarray, FG: int, BG: int) -> dict[str, int]:  # noqa: N803
        """Count true and false positives and negatives.

        Args:
            binary: the map, bool.
            gt: the truth, bool of the same shape.
            FG: foreground pixels of the truth.
            BG: background pixels of the truth.

        Returns:
            The counts: "tp", "fp", "tn", "fn".
        """
        tp = int(np.count_nonzero(binary[gt]))
        fp = int(np.count_nonzero(binary)) - tp
        return {"tp": tp, "fp": fp, "tn": BG - fp, "fn": FG - tp}

    def adaptively_binarizing(self, pred: np.ndarray, gt: np.ndarray, FG: int, BG: int) -> Statistics:  # noqa: N803
        """Count at the adaptive threshold; arguments and result as in get_statistics(), with a map in 0..1."""
        return list_statistics(read_pair(pred, gt, False, any_shape=True).counts("adaptive"))

    def dynamically_binarizing(self, pred: np.ndarray, gt: np.ndarray, FG: int, BG: int) -> Statistics:  # noqa: N803
        """Count at thresholds 255 to 0; arguments and result as in get_statistics(), with a map in 0..1."""
        return list_statistics(read_pair(pred, gt, False, any_shape=True).counts("dynamic"))

    def _check_handlers(self) -> None:
        if not self._metric_handlers:
            raise InputError("there are no handlers; call add_handler() before step()")

    def _needed_kinds(self) -> list[str]:
        """List the kinds of results that some handler records."""
        handlers = self._metric_handlers.values()
        return [kind for kind in KINDS if any(getattr(h, f"{kind}_results") is not None for h in handlers)]

    def step(self, pred: np.ndarray, gt: np.ndarray, normalize: bool = True) -> None:
        """Add an image."""
        self._check_handlers()
        pair = read_pair(pred, gt, normalize, any_shape=True)
        statistics = {kind: list_statistics(pair.counts(kind)) for kind in self._needed_kinds()}
        for handler in self._metric_handlers.values():
            for kind in KINDS:
                results = getattr(handler, f"{kind}_results")
                if isinstance(results, dict):
                    for name, count in statistics[kind].items():
                        results[name] += count
                elif results is not None:
                    results.append(handler(**statistics[kind]))

    def get_results(self) -> dict[str, dict[str, Any]]:
        """Return the means by handler: "dynamic" from threshold 255 down, "adaptive", "binary"."""
        return {
            name: {
                kind: self._reduce(handler, kind, getattr(handler, f"{kind}_results"))
                for kind in KINDS
                if getattr(handler, f"{kind}_results") is not None
            }
            for name, handler in self._metric_handlers.items()
        }

    def _reduce(self, handler: Any, kind: str, results: Any) -> Any:
        """Return the mean over images, or the measure of the summed counts."""
        if kind == "dynamic":
            return np.mean(np.array(results, dtype=TYPE), axis=0)
        return np.mean(handler(**results) if isinstance(results, dict) else np.array(results, dtype=TYPE))
