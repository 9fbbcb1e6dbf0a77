"""Parquet tables to and from plain columns, without pandas, which pyarrow.array and read_table load where it is there.

Loading it takes longer than to score a hundred small maps.
"""

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

Values = Sequence[str] | Sequence[float] | Sequence[np.ndarray | None] | Sequence[list[float]]


def encode_parquet(columns: Mapping[str, Values]) -> bytes:
    """A file of columns of equal length, as Writer takes them."""
    file = BytesIO()
    writer = ParquetWriter(file)
    writer.write(columns)
    writer.close()
    return file.getvalue()


class ParquetWriter:
    """Writes columns of equal length, one group of rows after the other.

    A column is all text, all numbers of one kind, or all 1-D arrays or lists of one size and dtype. Of arrays, some may
    be None, or all, which makes a column of no type, unless `examples` has an array for it.
    """

    def __init__(self, file: IO[bytes], examples: Mapping[str, np.ndarray] = MappingProxyType({})):
        self._file, self._writer = file, None
        self._types = {key: _array([example]).type for key, example in examples.items()}

    def write(self, columns: Mapping[str, Values]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        arrays = [_array(values, self._types.get(key)) for key, values in columns.items()]
        table = pa.Table.from_arrays(arrays, list(columns))
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, table.schema, compression="zstd")
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def read_parquet(path: Path) -> dict[str, list[Any]]:
    """Columns as lists of Python values. OSError or pyarrow.ArrowException where the file cannot be read."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return file.read().to_pydict()


def read_groups(path: Path) -> Iterator[dict[str, list[Any]]]:
    """The columns of each group of rows, arrays as arrays that share memory. Errors as of `read_parquet`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def values(column: pa.Array) -> list[Any]:
        if not pa.types.is_fixed_size_list(column.type):
            return column.to_pylist()
        items, size = column.values, column.type.list_size
        flat = np.frombuffer(items.buffers()[1], items.type.to_pandas_dtype())[items.offset :][: len(items)]
        arrays = flat.reshape(-1, size)[column.offset :][: len(column)]
        return [array if valid else None for array, valid in zip(arrays, column.is_valid().to_pylist(), strict=True)]

    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group).combine_chunks()
            yield {name: values(table[name].chunk(0)) for name in table.column_names}


def _array(values: Values, kind: "pa.DataType | None" = None) -> "pa.Array":
    """`kind` is of values that are all None."""
    import pyarrow as pa

    given = next((value for value in values if value is not None), None)
    if given is None:
        return pa.nulls(len(values), kind)
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
