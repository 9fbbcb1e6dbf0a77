"""The scores of every image, as a table for other programs."""

from collections.abc import Sequence
from pathlib import Path

from disbench.data.dataset import parse_category
from disbench.errors import InputError, escape_csv_formula
from disbench.metrics.catalogue import MetricKeys, resolve_metrics
from disbench.metrics.scoring import per_image
from disbench.runs.grouping import measure_complexities
from disbench.runs.result import Result
from disbench.system.files import write_atomic

SUFFIXES = (".csv", ".parquet")


def check_per_image_path(path: Path) -> None:
    """InputError for a file that would be neither, or in a folder that is not there."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: the scores of every image go into a file {' or '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; choose another place with --per-image")


def write_per_image(path: Path, results: Sequence[Result], metrics: MetricKeys = None) -> None:
    """A row for each image of each result: method, protocol, split, image, height, width, category, complexity, and a
    column for each metric, at full precision. CSV or Parquet by the suffix. The truths must be at hand, for complexity.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    check_per_image_path(path)
    keys = resolve_metrics(metrics)
    tables = []
    for result in results:
        rows = [row for split in result.splits for row in result.rows[split]]
        measured = [row.measurement for row in rows]
        columns = {
            "method": [result.title] * len(rows),
            "protocol": [result.protocol] * len(rows),
            "split": [row.split for row in rows],
            "image": [row.name for row in rows],
            "height": [m.height for m in measured],
            "width": [m.width for m in measured],
            "category": pa.array([parse_category(row.name) for row in rows], pa.string()),
        }
        intricate = measure_complexities(result, rows)
        columns |= {key: [getattr(one, key) for one in intricate] for key in ("ipq", "contours", "points")}
        tables.append(pa.table(columns | per_image(measured, result.protocol, keys)))
    table = pa.concat_tables(tables)
    sink = pa.BufferOutputStream()
    if path.suffix.lower() == ".csv":
        for key in ("method", "split", "image", "category"):
            names = [name and escape_csv_formula(name) for name in table[key].to_pylist()]
            table = table.set_column(table.column_names.index(key), key, pa.array(names, pa.string()))
        csv.write_csv(table, sink)
    else:
        parquet.write_table(table, sink)
    try:
        write_atomic(path, sink.getvalue())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; choose another place with --per-image") from None
