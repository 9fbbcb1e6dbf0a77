"""Size-invariant MAE and FmeasureV2: all targets of a truth have the same weight; see disbench.metrics.sizes."""

from typing import Any

import numpy as np

from disbench.metrics.sizes import size_invariant, target_boxes, target_levels
from disbench.metrics.thresholds import Counts
from disbench.pysodmetrics.fmeasurev2 import KINDS, FmeasureV2
from disbench.pysodmetrics.pair import THRESHOLDS, Pair, binarise_floats, count_binary, read_pair
from disbench.pysodmetrics.sod_metrics import MAE, mean_of
from disbench.pysodmetrics.utils import TYPE


class SizeInvarianceFmeasureV2(FmeasureV2):
    """FmeasureV2 for each target of the truth, with map and truth set to 0 outside of the target's box.

    Handlers are called with arrays (targets, thresholds).

    Args:
        metric_handlers: handlers by name.
    """

    def step(self, pred: np.ndarray, gt: np.ndarray, normalize: bool = True) -> None:
        """Add an image."""
        self._check_handlers()
        counts = count_targets(read_pair(pred, gt, normalize), self._needed_kinds())
        for handler in self._metric_handlers.values():
            for kind in KINDS:
                results = getattr(handler, f"{kind}_results")
                if isinstance(results, dict):
                    for name, count in counts[kind].items():
                        results[name] += int(count.sum())
                elif results is not None:
                    scores = np.asarray(handler(**counts[kind]), dtype=TYPE)
                    if kind != "dynamic":
                        results.append(scores.mean())
                    elif handler.sample_based:
                        results.append(scores)
                    else:
                        results.extend(scores)

    def _reduce(self, handler: Any, kind: str, results: Any) -> Any:
        """Return as FmeasureV2 does, but sample-based curves as a list of arrays (targets, 256), one per image."""
        return results if kind == "dynamic" and handler.sample_based else super()._reduce(handler, kind, results)


class SizeInvarianceMAE(MAE):
    """MAE with the same weight for each target."""

    def step(self, pred: np.ndarray, gt: np.ndarray, normalize: bool = True) -> None:
        """Add an image."""
        pair = read_pair(pred, gt, normalize)
        if pair.values is None:
            self.maes.append(size_invariant(pair.levels, pair.foreground, pair.lo, pair.hi)["mae"])
        else:
            self.maes.append(average_target_error(np.abs(pair.values - pair.inside), target_boxes(pair.foreground)))

    def get_results(self) -> dict[str, np.ndarray]:
        """Return the mean: {"si_mae"}."""
        return {"si_mae": mean_of(self.maes)}


def average_target_error(errors: np.ndarray, boxes: np.ndarray) -> float:
    """Compute size-invariant MAE from the absolute errors (h, w) of a map of floats."""
    outside = np.ones(errors.shape, bool)
    total = 0.0
    for top, bottom, left, right in boxes:
        outside[top:bottom, left:right] = False
        total += float(errors[top:bottom, left:right].mean())
    area_outside = np.count_nonzero(outside)
    area_inside = errors.size - area_outside
    return (total + float(errors[outside].sum()) / area_inside) / (len(boxes) + area_outside / area_inside)


def count_targets(pair: Pair, kinds: list[str]) -> dict[str, dict[str, np.ndarray]]:
    """Count the pixels of each target's binary maps.

    Args:
        pair: the map and its truth.
        kinds: "dynamic" at thresholds 255 to 0, "adaptive", "binary".

    Returns:
        "tp", "fp", "tn", "fn" by kind, int64 (targets, 256) or (targets, 1).
    """
    boxes = target_boxes(pair.foreground)
    batches = [levels for _, levels in target_levels(pair.levels, pair.foreground, boxes, (pair.lo, pair.hi))]
    result = {}
    for kind in kinds:
        if pair.values is None or kind == "dynamic":
            parts = [THRESHOLDS[kind](levels) for levels in batches]
        else:
            parts = [_count_box(pair.values, pair.inside, kind, box) for box in boxes]
        tp, fp, fn, tn = (np.concatenate(side)[:, ::-1].astype(np.int64) for side in zip(*parts, strict=True))
        result[kind] = {"tp": tp, "fp": fp, "tn": tn, "fn": fn}
    return result


def _count_box(values: np.ndarray, inside: np.ndarray, kind: str, box: np.ndarray) -> Counts:
    """Count the pixels of a map of floats, with map and truth set to 0 outside of a box."""
    top, bottom, left, right = box
    part = np.s_[top:bottom, left:right]
    target, expected = np.zeros_like(values), np.zeros_like(inside)
    target[part], expected[part] = values[part], inside[part]
    return count_binary(binarise_floats(target, kind), expected)
