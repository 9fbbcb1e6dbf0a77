"""Parquet tables to and from plain columns.

pyarrow.array and read_table load pandas where it is installed, and that takes longer than to score a hundred small
maps. So columns are built from buffers.
"""

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS_PER_BATCH = 1 << 14
Values = Sequence[str] | Sequence[float] | Sequence[np.ndarray | None] | Sequence[list[float]]


def encode_parquet(columns: Mapping[str, Values]) -> bytes:
    """Encode columns of equal length as a Parquet file; see ParquetWriter."""
    file = BytesIO()
    writer = ParquetWriter(file)
    writer.write(columns)
    writer.close()
    return file.getvalue()


class ParquetWriter:
    """Writes columns of equal length, one group of rows after the other.

    A column is all text, all numbers of one kind, or all 1-D arrays or lists of one size and dtype. Arrays may be None.
    A column of None only has no type, unless `examples` has an array for it.

    Args:
        file: the file to write the table to.
        examples: column -> an array that gives the column its type.
    """

    def __init__(self, file: IO[bytes], examples: Mapping[str, np.ndarray] = MappingProxyType({})):
        self._file = file
        self._writer: pq.ParquetWriter | None = None
        self._types = {key: _to_arrow([example]).type for key, example in examples.items()}

    def write(self, columns: Mapping[str, Values]) -> None:
        """Write a group of rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        arrays = [_to_arrow(values, self._types.get(key)) for key, values in columns.items()]
        table = pa.Table.from_arrays(arrays, list(columns))
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, table.schema, compression="zstd")
        self._writer.write_table(table)

    def close(self) -> None:
        """Write the end of the file."""
        if self._writer is not None:
            self._writer.close()


def read_parquet(path: Path) -> dict[str, list[Any]]:
    """Read columns as lists of Python values. OSError or pyarrow.ArrowException where the file cannot be read."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return file.read().to_pydict()


def read_groups(path: Path) -> Iterator[dict[str, list[Any]]]:
    """Read the columns of some rows at a time; arrays share memory. Raises the same errors as `read_parquet`.

    A group of rows in the file may have any size, so it is read in parts.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    def to_values(column: pa.Array) -> list[Any]:
        if not pa.types.is_fixed_size_list(column.type):
            return column.to_pylist()
        items, size = column.values, column.type.list_size
        flat = np.frombuffer(items.buffers()[1], items.type.to_pandas_dtype())[items.offset :][: len(items)]
        arrays = flat.reshape(-1, size)[column.offset :][: len(column)]
        return [array if valid else None for array, valid in zip(arrays, column.is_valid().to_pylist(), strict=True)]

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS_PER_BATCH):
            yield {name: to_values(batch.column(name)) for name in batch.schema.names}


def _to_arrow(values: Values, null_type: "pa.DataType | None" = None) -> "pa.Array":
    """Build an Arrow array. `null_type` is the type of values that are all None."""
    import pyarrow as pa

    example = next((value for value in values if value is not None), None)
    if example is None:
        return pa.nulls(len(values), null_type)
    if isinstance(example, str):
        encoded = [str(value).encode() for value in values]
        ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
        return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))
    if isinstance(example, list):
        return _to_arrow([np.array(value) for value in values])
    if isinstance(example, np.ndarray):
        missing = np.array([value is None for value in values])
        filled = [np.zeros_like(example) if value is None else value for value in values]
        items = _numbers_to_arrow(np.concatenate(filled))
        bits = pa.py_buffer(np.packbits(missing, bitorder="little"))
        mask = pa.Array.from_buffers(pa.bool_(), missing.size, [None, bits]) if missing.any() else None
        return pa.FixedSizeListArray.from_arrays(items, example.size, mask=mask)
    return _numbers_to_arrow(np.asarray(values))


def _numbers_to_arrow(values: np.ndarray) -> "pa.Array":
    import pyarrow as pa

    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), values.size, [None, pa.py_buffer(values)])
