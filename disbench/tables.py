"""Parquet tables to and from plain columns, without pandas, which pyarrow.array and read_table load where it is there.

Loading it takes longer than to score a hundred small maps.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

Values = Sequence[str] | Sequence[float] | Sequence[np.ndarray | None] | Sequence[list[float]]


def to_parquet(columns: Mapping[str, Values]) -> bytes:
    """A file of columns of equal length: all text, all numbers of one kind, or all 1-D arrays or lists of one
    size and dtype.

    Of arrays, some may be None, or all, which makes a column of no type.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_arrays([_array(values) for values in columns.values()], list(columns))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def read_parquet(path: Path) -> dict[str, list[Any]]:
    """Columns as lists of Python values. OSError or pyarrow.ArrowException where the file cannot be read."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return file.read().to_pydict()


def _array(values: Values) -> "pa.Array":
    import pyarrow as pa

    given = next((value for value in values if value is not None), None)
    if given is None:
        return pa.nulls(len(values))
    if isinstance(given, str):
        encoded = [value.encode() for value in values]
        ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
        return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))
    if isinstance(given, list):
        return _array([np.array(value) for value in values])
    if isinstance(given, np.ndarray):
        missing = np.array([value is None for value in values])
        items = _numbers(np.concatenate([np.zeros_like(given) if value is None else value for value in values]))
        bits = pa.py_buffer(np.packbits(missing, bitorder="little"))
        mask = pa.Array.from_buffers(pa.bool_(), missing.size, [None, bits]) if missing.any() else None
        return pa.FixedSizeListArray.from_arrays(items, given.size, mask=mask)
    return _numbers(np.asarray(values))


def _numbers(values: np.ndarray) -> "pa.Array":
    import pyarrow as pa

    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), values.size, [None, pa.py_buffer(values)])
