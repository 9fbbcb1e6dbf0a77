"""Precision against recall, F and E against the threshold, of several methods."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from disbench.data.dataset import OVERALL
from disbench.errors import InputError, escape_csv_formula, suggest_names
from disbench.metrics.scoring import curves
from disbench.reports.output import write_output
from disbench.runs.comparable import check_comparable, count_images
from disbench.runs.result import Result, common_subsets

SUFFIXES = (".pdf", ".png", ".csv", ".json")
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


def write_curves(path: Path, results: Sequence[Result], split: str | None = None) -> None:
    """Write curves as a figure (PDF, PNG) or as numbers (CSV, JSON), by the suffix.

    Args:
        path: the file.
        results: a method each.
        split: as in `collect_curves`.

    Raises:
        InputError: as `collect_curves`, and for another suffix and a file that cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: curves are written to {', '.join(SUFFIXES)}")
    curve_set = collect_curves(results, split)
    if suffix == ".csv":
        write_output(path, curves_to_csv(curve_set))
    elif suffix == ".json":
        write_output(path, curves_to_json(curve_set))
    else:
        from disbench.reports.curves_figure import draw_figure

        file = io.BytesIO()
        undated = {"CreationDate": None} if suffix == ".pdf" else None  # the same numbers give the same bytes
        draw_figure(curve_set).savefig(file, format=suffix[1:], metadata=undated)
        write_output(path, file.getvalue())


def curves_to_csv(curve_set: CurveSet) -> str:
    """Return a record per method and threshold. Values read back as the very same floats."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("dataset", "split", "method", "threshold", *MEASURES, "n", "signature"))
    for method in curve_set.methods:
        names = [escape_csv_formula(name) for name in (curve_set.dataset, curve_set.split, method.title)]
        signature = escape_csv_formula(method.signature)
        for threshold in range(len(method.values["f"])):
            values = (repr(float(method.values[measure][threshold])) for measure in MEASURES)
            writer.writerow((*names, threshold, *values, method.n, signature))
    return file.getvalue()


def curves_to_json(curve_set: CurveSet) -> bytes:
    """Return one object, in which each curve is a list of 256 numbers by threshold."""
    import msgspec

    methods = [
        {"method": method.title, "signature": method.signature, "n": method.n}
        | {measure: method.values[measure].tolist() for measure in MEASURES}
        for method in curve_set.methods
    ]
    return msgspec.json.encode({"dataset": curve_set.dataset, "split": curve_set.split, "methods": methods})
