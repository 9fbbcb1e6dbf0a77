"""Parquet tables to and from plain columns.

pyarrow.array and read_table load pandas where it is installed, and that takes longer than to score a hundred small
maps. So columns are built from buffers.

Pages have checksums. The metadata of the file has a digest of the values of each column, which reading compares with
the values that it got, because no checksum of Parquet covers headers and the footer. Older tables have neither.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

import msgspec
import numpy as np

from disbench.system.files import require_regular_file

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

DIGESTS = b"disbench.sha256"  # key in the metadata of a file: column -> digest of its values
ROWS_PER_BATCH = 1 << 14
Values = Sequence[str] | Sequence[float] | Sequence[np.ndarray | None] | Sequence[list[float]]


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
        self._digests = ColumnDigests()

    def write(self, columns: Mapping[str, Values]) -> None:
        """Write a group of rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        arrays = [_to_arrow(values, self._types.get(key)) for key, values in columns.items()]
        table = pa.Table.from_arrays(arrays, list(columns))
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, table.schema, compression="zstd", write_page_checksum=True)
        self._writer.write_table(table)
        self._digests.update({name: _to_values(array) for name, array in zip(columns, arrays, strict=True)})

    def close(self) -> None:
        """Write the end of the file."""
        if self._writer is not None:
            self._writer.add_key_value_metadata({DIGESTS: msgspec.json.encode(self._digests.hex())})
            self._writer.close()


class ColumnDigests:
    """Digests of the values of columns, which are given in parts of any number of rows."""

    def __init__(self) -> None:
        self._columns: dict[str, hashlib._Hash] = {}

    def update(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Add a group of rows."""
        for name, values in columns.items():
            digest = self._columns.setdefault(name, hashlib.sha256())
            if any(isinstance(value, np.ndarray) for value in values):
                for value in values:
                    digest.update(b"null," if value is None else f"{value.dtype}{value.shape}".encode())
                    digest.update(b"" if value is None else value)
            elif values:
                digest.update(msgspec.json.encode(values)[1:-1] + b",")

    def hex(self) -> dict[str, str]:
        """Return column -> digest."""
        return {name: digest.hexdigest() for name, digest in self._columns.items()}


def read_parquet(path: Path, *, has_digests: bool = False) -> dict[str, list[Any]]:
    """Read columns as lists of Python values. See read_groups()."""
    columns: dict[str, list[Any]] = {}
    for group in read_groups(path, has_digests=has_digests):
        for name, values in group.items():
            plain = (value.tolist() if isinstance(value, np.ndarray) else value for value in values)
            columns.setdefault(name, []).extend(plain)
    return columns


def read_digests(path: Path) -> str:
    """Read the digests of a table's values, as text; "" for a table without them."""
    import pyarrow.parquet as pq

    return ((pq.read_metadata(require_regular_file(path)).metadata or {}).get(DIGESTS) or b"").decode()


def read_groups(path: Path, *, has_digests: bool = False) -> Iterator[dict[str, list[Any]]]:
    """Read the columns of some rows at a time; arrays share memory.

    A group of rows in the file may have any size, so it is read in parts.

    Args:
        path: the table.
        has_digests: whether the table was written with digests. One flipped bit can hide them and rows at once.

    Raises:
        OSError, pyarrow.ArrowException: where the file cannot be read.
        ValueError: after the last rows, where values are not those that were written.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(require_regular_file(path), page_checksum_verification=True) as file:
        written = (file.metadata.metadata or {}).get(DIGESTS)
        if has_digests and written is None:
            raise ValueError("its digests are missing")
        digests = ColumnDigests()
        for batch in file.iter_batches(ROWS_PER_BATCH):
            columns = {name: _to_values(batch.column(name)) for name in batch.schema.names}
            if written is not None:
                digests.update(columns)
            yield columns
    if written is not None and msgspec.json.decode(written) != digests.hex():
        raise ValueError("its values are not those that were written")


def _to_values(column: "pa.Array") -> list[Any]:
    """List the values of a column: text, numbers, lists, or arrays that share its memory."""
    import pyarrow as pa

    valid = _list_valid(column)
    if not pa.types.is_fixed_size_list(column.type) or not any(valid):
        return column.to_pylist()
    items, size = column.values, column.type.list_size
    flat = np.frombuffer(items.buffers()[1], items.type.to_pandas_dtype())[items.offset :][: len(items)]
    arrays = flat.reshape(-1, size)[column.offset :][: len(column)]
    return [array if is_valid else None for array, is_valid in zip(arrays, valid, strict=True)]


def _list_valid(column: "pa.Array") -> list[bool]:
    """List which values of a column are not missing. Its own method for this loads all of pyarrow.compute."""
    bits = column.buffers()[0]
    if bits is None:
        return [True] * len(column)
    flags = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little").astype(bool)
    return flags[column.offset :][: len(column)].tolist()


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
