"""Multi-scale IoU; see disbench.metrics.multiscale."""

import numpy as np

from disbench.errors import InputError
from disbench.metrics.multiscale import SCALES, multiscale_curve, multiscale_iou
from disbench.pysodmetrics.pair import binarise_floats, read_pair
from disbench.pysodmetrics.sod_metrics import mean_of


class MSIoU:
    """Multi-scale IoU.

    Args:
        with_dynamic: compute it at 257 thresholds.
        with_adaptive: compute it at the adaptive threshold.
        with_binary: compute it where maps are above 1/2.
        num_levels: number of grids, at least 2.
    """

    def __init__(self, with_dynamic: bool, with_adaptive: bool, *, with_binary: bool = False, num_levels: int = 10):
        if num_levels < 2:
            raise InputError(f"num_levels is {num_levels}; give at least 2")
        self.dynamic_results: list[np.ndarray] | None = [] if with_dynamic else None
        self.adaptive_results: list[float] | None = [] if with_adaptive else None
        self.binary_results: list[float] | None = [] if with_binary else None
        self._scales = np.linspace(0, SCALES - 1, num=num_levels, dtype=int).tolist()
        self.cell_sizes = 2 ** np.array(self._scales)

    def step(self, pred: np.ndarray, gt: np.ndarray, normalize: bool = True) -> None:
        """Add an image."""
        pair = read_pair(pred, gt, normalize)
        if self.dynamic_results is not None:
            curve = multiscale_curve(pair.levels, pair.foreground, pair.lo, pair.hi, self._scales)
            self.dynamic_results.append(curve)
        if pair.values is None and (self.adaptive_results is not None or self.binary_results is not None):
            scores = multiscale_iou(pair.levels, pair.foreground, pair.lo, pair.hi, self._scales)
        for kind, results in (("adaptive", self.adaptive_results), ("binary", self.binary_results)):
            if results is None:
                continue
            if pair.values is not None:
                positive = binarise_floats(pair.values, kind).view(np.uint8) * np.uint8(255)
                scores = {kind: multiscale_iou(positive, pair.foreground, 0, 255, self._scales)["binary"]}
            results.append(scores[kind])

    def get_results(self) -> dict[str, np.ndarray]:
        """Return the means: "dynamic" from threshold 0 up, "adaptive", "binary"."""
        kinds = {"dynamic": self.dynamic_results, "adaptive": self.adaptive_results, "binary": self.binary_results}
        return {kind: mean_of(results) for kind, results in kinds.items() if results is not None}
