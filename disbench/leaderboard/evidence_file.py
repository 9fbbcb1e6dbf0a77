"""Evidence files as others wrote them: their limits before they are read, their columns, and their values."""

import hashlib
from pathlib import Path

import numpy as np

from disbench.data.dataset import stem_key
from disbench.errors import require_utf8
from disbench.metrics.catalogue import METRICS
from disbench.metrics.pixel_metrics import list_needed_columns
from disbench.metrics.protocols import PROTOCOLS
from disbench.runs.row_log import Row
from disbench.runs.scores_file import BASE_COLUMNS, read_scores
from disbench.system.files import require_regular_file

MAX_BYTES = 1 << 28
MAX_ROWS = 5470  # images of DIS5K, in all its splits
MAX_ROW_BYTES = 1 << 15  # all columns of all protocols need less
MAX_TEXT = 255  # bytes of a name
TEXTS = ("split", "image", "digest")
HISTOGRAMS = ("fg_hist", "bg_hist", "fg_half")
CURVES = {"biou_max": 256, "msiou_max": 257}  # thresholds


def hash_evidence(file: Path) -> str:
    """Return the SHA-256 of an evidence file. OSError or ValueError where it cannot be read, and for a huge one."""
    if (size := require_regular_file(file).stat().st_size) > MAX_BYTES:
        raise ValueError(f"it has {size} bytes; at most {MAX_BYTES} are read")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def read_evidence(file: Path) -> list[Row]:
    """Read the rows of an evidence file, which need not be honest.

    Raises:
        OSError, pyarrow.ArrowException: where the file cannot be read.
        LookupError, TypeError, ValueError: for a file that `submit` cannot have written.
    """
    _check_limits(file)
    rows = read_scores(file)
    names = [(row.split, stem_key(require_utf8(row.name))) for row in rows]
    if len(set(names)) < len(names):
        raise ValueError("two images have names that differ only in case or accents")
    for row in rows:
        _check_row(row)
    return rows


def _check_limits(file: Path) -> None:
    """Check sizes and columns by the file's description of itself, and by the texts, before rows are read."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(require_regular_file(file), thrift_string_size_limit=1 << 20) as table:
        rows = table.metadata.num_rows
        if not 0 < rows <= MAX_ROWS:
            raise ValueError(f"has {rows} rows; 1 to {MAX_ROWS} are possible")
        _check_schema(table.schema_arrow)
        groups = [table.metadata.row_group(i) for i in range(table.metadata.num_row_groups)]
        if sum(group.num_rows for group in groups) != rows:
            raise ValueError("its groups have another number of rows")
        for chunk in (group.column(i) for group in groups for i in range(group.num_columns)):
            if chunk.num_values > rows * max(CURVES.values()):
                raise ValueError(f"{chunk.path_in_schema} has {chunk.num_values} values in {rows} rows")
        if sum(group.total_byte_size for group in groups) > rows * MAX_ROW_BYTES + (1 << 20):
            raise ValueError(f"would need more than {MAX_ROW_BYTES} bytes for each of {rows} rows")
    # A text is stored once for all rows that have it, so a few bytes could become gigabytes.
    with pq.ParquetFile(file, read_dictionary=TEXTS) as table:
        for chunk in (c for column in table.read(columns=list(TEXTS)).columns for c in column.chunks):
            if any(len(text) > MAX_TEXT for text in chunk.dictionary.cast("large_binary").to_pylist() if text):
                raise ValueError(f"a name has more than {MAX_TEXT} bytes")


def _check_schema(schema) -> None:
    """Check the names and types of columns. ValueError if `submit` writes no such column."""
    import pyarrow.types as types

    if len(set(schema.names)) < len(schema.names):
        raise ValueError("two columns have one name")
    if missing := sorted(BASE_COLUMNS - set(schema.names)):
        raise ValueError(f"no column {missing[0]!r}")
    values = list_needed_columns(PROTOCOLS.values(), METRICS)
    for field in schema:
        name, kind = field.name, field.type
        key = name.partition(".")[0]
        if name not in BASE_COLUMNS and name not in values:
            raise ValueError(f"a column {name!r}, which no evidence has")
        if name in TEXTS and not types.is_string(kind):
            raise ValueError("a name is not text")
        if name in HISTOGRAMS and not (name == "fg_half" and types.is_null(kind)):
            if not types.is_fixed_size_list(kind) or kind.list_size != 256:
                raise ValueError("a histogram does not have 256 levels")
            if not types.is_integer(kind.value_type):
                raise ValueError("a histogram does not count pixels")
        if name in ("height", "width") and not types.is_integer(kind):
            raise ValueError(f"{name} is not a number of pixels")
        if name in values:
            is_list = key in CURVES and types.is_fixed_size_list(kind) and kind.list_size == CURVES[key]
            if not types.is_float64(kind.value_type if is_list else kind) or is_list != (key in CURVES):
                raise ValueError(f"{name} is {kind}, which is not its type")


def _check_row(row: Row) -> None:
    """Check what the numbers of one image say about its ground truth. The histograms count all pixels."""
    m = row.measurement
    if m.fg_half is None:
        return
    both = m.fg_hist.astype(np.int64) + m.bg_hist.astype(np.int64)
    if (m.fg_half.astype(np.int64) > both).any():
        raise ValueError(f"{row.split}/{row.name}: a second foreground of more pixels than its image has")
