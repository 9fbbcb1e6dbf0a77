"""Logs of rows: what a run has measured so far, append-only, one file per writer, never all in memory.

A line is a row with a checksum, which lines of older versions lack. It also covers the key of the run, so that a line
of another run is refused. A torn last line, of a killed writer, is dropped.
An image may have been measured again because its map was missing: then the last row counts, since names of logs begin
with the time, and the saved map is its map.
"""

import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from disbench.data.file_lists import list_names
from disbench.errors import InputError
from disbench.metrics.measurement import Measurement
from disbench.system.checksums import add_checksum, is_damaged
from disbench.system.files import require_regular_file

ROWS_PER_CHUNK = 1 << 14  # rows in memory, which take 50 MB
_NULL = msgspec.Raw(b"null")
Key = tuple[str, str]  # split, name of the image


@dataclass(frozen=True)
class Row:
    """One measured image.

    Attributes:
        split: split of the data set.
        name: name of the image.
        measurement: the measurement of its prediction map.
        seconds: seconds of each stage: prepare, infer, restore.
        digest: digest of the uint8 map; see disbench.runs.pipeline.hash_mask.
    """

    split: str
    name: str
    measurement: Measurement
    seconds: dict[str, float]
    digest: str

    @property
    def key(self) -> Key:
        """(split, name), which is unique in a run."""
        return self.split, self.name


class _IndexedMeasurement(msgspec.Struct):
    fg_half: msgspec.Raw


class _IndexedRow(msgspec.Struct):
    """The part of a row's line that is read of every row at once; the decoder skips the rest."""

    split: str
    name: str
    measurement: _IndexedMeasurement
    digest: str


class RowLog:
    """The rows that one process adds to a run. A row is a whole line in the file when `append` returns.

    Args:
        folder: the run folder, whose name is the key of the run.
    """

    def __init__(self, folder: Path):
        self._key = os.fsencode(folder.name)
        name = f"{time.time_ns():020}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        self._file = (folder / "shards" / name).open("xb")

    def append(self, row: Row) -> None:
        """Write a row."""
        document = msgspec.json.encode(row, enc_hook=lambda array: array.tolist())
        try:
            self._file.write(add_checksum(document, self._key) + b"\n")
            self._file.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._file.name)) from None

    def __enter__(self) -> "RowLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class RowLogs:
    """All rows of a run, on disk until they are asked for. Supports `key in logs` and `len(logs)`."""

    def __init__(self, folder: Path):
        self._key = os.fsencode(folder.name)
        self._files = sorted((folder / "shards").glob("*.jsonl"))
        self._positions: dict[Key, tuple[int, int, int]] = {}  # key -> file, line number, offset
        self.digests: dict[Key, str] = {}  # of the prediction maps
        self._key_with_half: Key | None = None
        damaged: dict[Path, list[int]] = {}  # line numbers
        decode = msgspec.json.Decoder(_IndexedRow).decode
        for index, path in enumerate(self._files):
            offset = 0
            with require_regular_file(path).open("rb") as file:
                for number, line in enumerate(file, 1):
                    if line.endswith(b"\n"):  # otherwise it is torn
                        row = _decode_line(decode, line, self._key)
                        if row is None:
                            damaged.setdefault(path, []).append(number)
                            continue
                        key = row.split, row.name
                        self._positions[key] = index, number, offset
                        self.digests[key] = row.digest
                        if row.measurement.fg_half != _NULL:
                            self._key_with_half = key
                    offset += len(line)
        if damaged:
            raise _damage_error(damaged)

    def __contains__(self, key: Key) -> bool:
        return key in self._positions

    def __len__(self) -> int:
        return len(self._positions)

    def rows(self, keys: Iterable[Key]) -> Iterator[Row]:
        """Read the rows of these keys, in their order, ROWS_PER_CHUNK in memory."""
        decode = msgspec.json.Decoder(Row, dec_hook=lambda _, counts: np.array(counts, np.uint32)).decode
        keys = iter(keys)
        while chunk := list(islice(keys, ROWS_PER_CHUNK)):
            rows: dict[Key, Row] = {}
            # File by file and front to back, so that each file is opened once and the disk does not jump.
            positions = sorted((self._positions[key], key) for key in chunk)
            for index, positions_in_file in groupby(positions, key=lambda entry: entry[0][0]):
                path = self._files[index]
                with path.open("rb") as file:
                    for (_, number, offset), key in positions_in_file:
                        file.seek(offset)
                        row = _decode_line(decode, file.readline(), self._key)
                        if row is None:
                            raise _damage_error({path: [number]})
                        rows[key] = row
            yield from (rows.pop(key) for key in chunk)

    def with_half(self) -> Row | None:
        """Read a row that has fg_half, if there is one: it gives that column its type."""
        return next(self.rows([self._key_with_half])) if self._key_with_half else None


def _decode_line(decode: Callable[[bytes], Any], line: bytes, key: bytes) -> Any:
    """Decode a row of the run with this key; None for a damaged one, and for one of another run."""
    try:
        return None if is_damaged(line, key) else decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _damage_error(damaged: Mapping[Path, Sequence[int]]) -> InputError:
    """Make one error that names all damaged lines: file -> line numbers."""
    faults = []
    for path, numbers in damaged.items():
        listed = list_names(list(map(str, numbers)))
        faults.append(f"{path}: {f'line {listed} is' if len(numbers) == 1 else f'lines {listed} are'} damaged")
    return InputError(
        f"{'; '.join(faults)}, or of another run; delete these lines or whole files, and run the same command again, "
        "which measures only these images again"
    )
