"""scores.parquet and seconds.parquet: writing, reading, checking."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from disbench.metrics.measurement import Measurement
from disbench.runs.manifest import read_manifest, reopen_run, write_manifest
from disbench.runs.row_log import ROWS_PER_CHUNK, Row
from disbench.runs.tables import ParquetWriter, read_digests, read_groups
from disbench.system.files import atomic_writer

# The columns of every run; the others are values of measures that need pixels.
BASE_COLUMNS = {"split", "image", "height", "width", "fg_hist", "bg_hist", "fg_half", "digest"}
MAX_SIDE = 1 << 20  # pixels


def finish_run(folder: Path, rows: Iterable[Row], meta: Mapping[str, Any], row_with_half: Row | None = None) -> None:
    """Write the two tables of a run, then mark its manifest complete.

    Args:
        folder: the run folder.
        rows: all rows, in the order of the data set. Only ROWS_PER_CHUNK of them are held at once.
        meta: joins the manifest.
        row_with_half: a row that has fg_half, if any row has: it gives that column its type.
    """
    reopen_run(folder)
    examples = {}
    if row_with_half is not None and row_with_half.measurement.fg_half is not None:
        examples["fg_half"] = row_with_half.measurement.fg_half
    rows = iter(rows)
    with atomic_writer(folder / "scores.parquet") as scores, atomic_writer(folder / "seconds.parquet") as seconds:
        scores_table, seconds_table = ParquetWriter(scores, examples), ParquetWriter(seconds)
        while chunk := list(islice(rows, ROWS_PER_CHUNK)):
            scores_columns, seconds_columns = _to_columns(chunk)
            scores_table.write(scores_columns)
            seconds_table.write(seconds_columns)
        scores_table.close()
        seconds_table.close()
    tables = {name: read_digests(folder / name) for name in ("scores.parquet", "seconds.parquet")}
    manifest = replace(read_manifest(folder), complete=True, has_digests=True, tables=tables, meta=dict(meta))
    write_manifest(folder, manifest)


def read_scores(path: Path, *, has_digests: bool = False) -> list[Row]:
    """Read the rows of a scores.parquet, without times. `has_digests`: see disbench.runs.tables.read_groups.

    Raises:
        OSError, pyarrow.ArrowException: where the file cannot be read.
        LookupError, TypeError, ValueError: for other columns.
    """
    rows = []
    for scores in read_groups(path, has_digests=has_digests):
        scores.setdefault("fg_half", [None] * len(scores["image"]))  # which the first runs did not have
        _check_columns(scores)
        values = {}
        for key, column in scores.items():
            if key not in BASE_COLUMNS:
                values[key] = [value.tolist() if isinstance(value, np.ndarray) else value for value in column]
        for i in range(len(scores["image"])):
            measurement = Measurement(
                height=scores["height"][i],
                width=scores["width"][i],
                fg_hist=scores["fg_hist"][i],
                bg_hist=scores["bg_hist"][i],
                values={key: column[i] for key, column in values.items()},
                fg_half=scores["fg_half"][i],
            )
            rows.append(Row(scores["split"][i], scores["image"][i], measurement, {}, scores["digest"][i]))
    if len({row.key for row in rows}) < len(rows):
        raise ValueError("an image occurs twice")
    return rows


def _to_columns(rows: Sequence[Row]) -> tuple[dict[str, list], dict[str, list]]:
    """Turn rows into the columns of scores.parquet and of seconds.parquet."""
    names = {"split": [row.split for row in rows], "image": [row.name for row in rows]}
    fields = [vars(row.measurement) for row in rows]
    columns = {key: [measurement[key] for measurement in fields] for key in fields[0]}
    values = columns.pop("values")
    columns |= {key: [row_values[key] for row_values in values] for key in values[0]}
    columns["digest"] = [row.digest for row in rows]
    seconds = {stage: [row.seconds[stage] for row in rows] for stage in rows[0].seconds}
    return names | columns, names | seconds


def _check_columns(scores: Mapping[str, Sequence[Any]]) -> None:
    """Check that the columns are what `finish_run` can have written. ValueError otherwise.

    Histograms count all pixels, numbers are finite, and names lead to no other folder.
    """
    if not all(isinstance(name, str) for key in ("split", "image", "digest") for name in scores[key]):
        raise ValueError("a name is not text")
    if any("/" in name for key in ("split", "image") for name in scores[key]):
        raise ValueError("a name is a path")
    sides = [*scores["height"], *scores["width"]]
    if not all(type(side) is int and 0 < side <= MAX_SIDE for side in sides):
        raise ValueError("an image has no size")
    pixels = np.multiply(scores["height"], scores["width"])
    if any(counts is None for key in ("fg_hist", "bg_hist") for counts in scores[key]):
        raise ValueError("an image has no histogram")
    fg, bg, half = ([c for c in scores[key] if c is not None] for key in ("fg_hist", "bg_hist", "fg_half"))
    for counts in filter(len, map(np.array, (fg, bg, half))):
        if counts.shape[1:] != (256,):
            raise ValueError("a histogram does not have 256 levels")
        if counts.dtype.kind not in "iu" or counts.min() < 0:
            raise ValueError("a histogram does not count pixels")
        if counts.max() > MAX_SIDE**2:  # from here on no sum can overflow
            raise ValueError("histograms are not of the images' sizes")
    if (np.sum(fg, 1, np.int64) + np.sum(bg, 1, np.int64) != pixels).any():
        raise ValueError("histograms are not of the images' sizes")
    for key in scores.keys() - BASE_COLUMNS:
        if not np.isfinite(np.array(scores[key])).all():
            raise ValueError(f"{key} has a value that is not a number")
