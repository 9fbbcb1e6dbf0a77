"""The files that curves are written to: a figure, or numbers."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from disbench.errors import InputError, escape_csv_formula
from disbench.reports.curve_sets import MEASURES, CurveSet, collect_curves
from disbench.reports.curves_figure import draw_figure
from disbench.reports.fonts import report_missing_glyphs
from disbench.reports.output import write_output
from disbench.runs.outputs import check_output, list_inputs
from disbench.runs.result import Result

SUFFIXES = (".pdf", ".png", ".csv", ".json")


def write_curves(path: Path, results: Sequence[Result], split: str | None = None) -> None:
    """Write curves as a figure (PDF, PNG) or as numbers (CSV, JSON), by the suffix.

    Args:
        path: the file.
        results: a method each.
        split: as in `collect_curves`.

    Raises:
        InputError: as in `collect_curves`, and for another suffix and a file that cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: curves are written to {', '.join(SUFFIXES)}")
    check_output(path, list_inputs(results))
    curve_set = collect_curves(results, split)
    if suffix == ".csv":
        write_output(path, curves_to_csv(curve_set))
    elif suffix == ".json":
        write_output(path, curves_to_json(curve_set))
    else:
        file = io.BytesIO()
        undated = {"CreationDate": None} if suffix == ".pdf" else None  # the same numbers give the same bytes
        with report_missing_glyphs():
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
