"""The scores of every image, as a table for other programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from disbench.data.dataset import parse_category
from disbench.errors import InputError, escape_csv_formula
from disbench.metrics.catalogue import MetricKeys, resolve_metrics
from disbench.metrics.scoring import per_image
from disbench.reports.output import write_output
from disbench.runs.grouping import measure_complexities
from disbench.runs.result import Result

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".csv", ".parquet")
TEXT_COLUMNS = ("method", "split", "image", "category")


def check_per_image_path(path: Path) -> None:
    """Raise InputError for a file with another suffix, or in a folder that does not exist."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: the scores of every image go into a file {' or '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; choose another place with --per-image")


def write_per_image(path: Path, results: Sequence[Result], metrics: MetricKeys = None) -> None:
    """Write a row for each image of each result.

    Columns: method, protocol, split, image, height, width, category, ipq, contours and points (the complexity of the
    ground truth), and each metric at full precision.

    Args:
        path: a .csv or .parquet file.
        results: their ground truths must be available.
        metrics: keys of the metrics. Default: those that every run has.

    Raises:
        InputError: for missing ground truths, an unknown metric, and a file that cannot be written.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    check_per_image_path(path)
    keys = resolve_metrics(metrics)
    table = pa.concat_tables([_make_table(result, keys) for result in results])
    sink = pa.BufferOutputStream()
    if path.suffix.lower() == ".csv":
        for column in TEXT_COLUMNS:
            texts = [text and escape_csv_formula(text) for text in table[column].to_pylist()]
            table = table.set_column(table.column_names.index(column), column, pa.array(texts, pa.string()))
        csv.write_csv(table, sink)
    else:
        parquet.write_table(table, sink)
    write_output(path, sink.getvalue().to_pybytes(), "--per-image")


def _make_table(result: Result, metrics: Sequence[str]) -> "pa.Table":
    import pyarrow as pa

    rows = [row for split in result.splits for row in result.rows[split]]
    measurements = [row.measurement for row in rows]
    complexities = measure_complexities(result, rows)
    columns = {
        "method": [result.title] * len(rows),
        "protocol": [result.protocol] * len(rows),
        "split": [row.split for row in rows],
        "image": [row.name for row in rows],
        "height": [measurement.height for measurement in measurements],
        "width": [measurement.width for measurement in measurements],
        # A type of its own: all values may be None.
        "category": pa.array([parse_category(row.name) for row in rows], pa.string()),
        "ipq": [complexity.ipq for complexity in complexities],
        "contours": [complexity.contours for complexity in complexities],
        "points": [complexity.points for complexity in complexities],
    }
    return pa.table(columns | per_image(measurements, result.protocol, metrics))
