"""The curves of several methods: precision, recall, F and E by threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from disbench.data.dataset import OVERALL
from disbench.errors import InputError, suggest_names
from disbench.metrics.scoring import curves
from disbench.runs.comparable import check_comparable, count_images
from disbench.runs.result import Result, common_subsets

MEASURES = ("precision", "recall", "f", "e")


@dataclass(frozen=True, kw_only=True)
class CurvePanel:
    """One plot of curves.

    Attributes:
        title: its heading.
        x: measure on the x axis; None for the threshold.
        x_label: label of the x axis.
        y: measure on the y axis.
        y_label: label of the y axis; "" if the title says it.
    """

    title: str
    x: str | None = None
    x_label: str = "Threshold"
    y: str
    y_label: str = ""


PANELS = (
    CurvePanel(title="Precision and recall", x="recall", x_label="Recall", y="precision", y_label="Precision"),
    CurvePanel(title="F-measure", y="f"),
    CurvePanel(title="E-measure", y="e"),
)


@dataclass(frozen=True)
class MethodCurves:
    """Mean curves of one method on one subset.

    Attributes:
        title: the method, with its protocol if there are several.
        signature: how the curves were computed.
        n: number of images.
        values: measure -> float64 (256,), by threshold 0 to 255.
    """

    title: str
    signature: str
    n: int
    values: dict[str, np.ndarray]


@dataclass(frozen=True)
class CurveSet:
    """The curves of several methods on one subset.

    Attributes:
        dataset: title of the data set.
        split: the subset, or "Overall".
        methods: the curves of each method.
    """

    dataset: str
    split: str
    methods: Sequence[MethodCurves]


def collect_curves(results: Sequence[Result], split: str | None = None) -> CurveSet:
    """Collect the curves of results on one subset.

    Args:
        results: a method each.
        split: a subset or "Overall". Default: Overall if all results have it, otherwise the first common subset.

    Raises:
        InputError: for results that are not comparable, and for a subset that one of them lacks.
    """
    check_comparable(results)
    shared = common_subsets(results)
    if split is None:
        if not shared:
            raise InputError("these results share no whole subset; choose results that do")
        split = OVERALL if OVERALL in shared else shared[0]
    if split not in shared:
        lacking = ", ".join(result.title for result in results if split not in result.subsets)
        raise InputError(f"--split {split}: {lacking} was not scored on it; {suggest_names(split, shared)}")
    has_several_protocols = len({result.protocol for result in results}) > 1
    methods = []
    for result in results:
        title = f"{result.title} ({result.protocol})" if has_several_protocols else result.title
        values = curves(result.measurements(split), result.protocol, MEASURES)
        methods.append(MethodCurves(title, result.signature, count_images(result, split), values))
    return CurveSet(results[0].dataset, split, methods)
