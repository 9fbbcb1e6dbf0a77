"""scores.parquet and seconds.parquet: writing, reading, checking."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from disbench.metrics.measurement import Measurement
from disbench.runs.manifest import read_manifest, write_manifest
from disbench.runs.row_log import ROWS_PER_CHUNK, Row
from disbench.runs.tables import ParquetWriter, read_groups
from disbench.system.files import atomic_writer

BASE_COLUMNS = {"split", "image", "height", "width", "fg_hist", "bg_hist", "fg_half", "digest"}  # the columns of every run


def finish_run(folder: Path, rows: Iterable[Row], meta: dict[str, Any], half: Row | None = None) -> None:
    """Write the two tables, then mark the manifest complete.

    `rows` in the order of the data set, of which few are held at once; `half`: one of those with fg_half, if any has.
    """
    example = {} if half is None else {"fg_half": half.measurement.fg_half}
    rows = iter(rows)
    with atomic_writer(folder / "scores.parquet") as scores, atomic_writer(folder / "seconds.parquet") as seconds:
        tables = ParquetWriter(scores, example), ParquetWriter(seconds)
        while some := list(islice(rows, ROWS_PER_CHUNK)):
            for table, columns in zip(tables, _columns(some), strict=True):
                table.write(columns)
        for table in tables:
            table.close()
    write_manifest(folder, replace(read_manifest(folder), complete=True, meta=meta))


def _columns(rows: list[Row]) -> tuple[dict[str, list], dict[str, list]]:
    """Of scores.parquet and of seconds.parquet."""
    names = {"split": [r.split for r in rows], "image": [r.name for r in rows]}
    measured = [vars(r.measurement) for r in rows]
    columns = {key: [m[key] for m in measured] for key in measured[0]}
    values = columns.pop("values")
    columns |= {key: [one[key] for one in values] for key in values[0]}
    seconds = {stage: [r.seconds[stage] for r in rows] for stage in rows[0].seconds}
    return names | columns | {"digest": [r.digest for r in rows]}, names | seconds


def read_scores(path: Path) -> list[Row]:
    """The rows of a scores.parquet, without times.

    OSError or pyarrow.ArrowException where it cannot be read; LookupError, TypeError or ValueError for other columns.
    """
    rows = []
    for scores in read_groups(path):
        _check_columns(scores)
        values = {key: column for key, column in scores.items() if key not in BASE_COLUMNS}
        for key, column in values.items():
            values[key] = [one.tolist() if isinstance(one, np.ndarray) else one for one in column]
        for i in range(len(scores["image"])):
            fg, bg, half = (scores[key][i] for key in ("fg_hist", "bg_hist", "fg_half"))
            one = {key: column[i] for key, column in values.items()}
            measurement = Measurement(scores["height"][i], scores["width"][i], fg, bg, one, half)
            rows.append(Row(scores["split"][i], scores["image"][i], measurement, {}, scores["digest"][i]))
    if len({(row.split, row.name) for row in rows}) < len(rows):
        raise ValueError("an image stands twice")
    return rows


def _check_columns(scores: dict[str, list[Any]]) -> None:
    """ValueError unless rows of a scores.parquet are what `finish` can have written: pixels are counted, numbers are
    finite, names lead nowhere."""
    if not all(isinstance(name, str) for key in ("split", "image", "digest") for name in scores[key]):
        raise ValueError("a name is no text")
    if any("/" in name for key in ("split", "image") for name in scores[key]):
        raise ValueError("a name is a path")
    pixels = np.multiply(scores["height"], scores["width"])
    fg, bg, half = ([c for c in scores[key] if c is not None] for key in ("fg_hist", "bg_hist", "fg_half"))
    for counts in filter(len, map(np.array, (fg, bg, half))):
        if counts.shape[1:] != (256,):
            raise ValueError("a histogram has not 256 levels")
        if counts.dtype.kind not in "iu" or counts.min() < 0:
            raise ValueError("a histogram counts no pixels")
    if (np.sum(fg, 1, np.int64) + np.sum(bg, 1, np.int64) != pixels).any():
        raise ValueError("histograms are not of the images' sizes")
    for key in scores.keys() - BASE_COLUMNS:
        if not np.isfinite(np.array(scores[key])).all():
            raise ValueError(f"{key} has what is no number")
