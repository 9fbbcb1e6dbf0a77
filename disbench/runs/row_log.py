"""The shards of a run: rows as they are measured, append-only, one file for each writer; never all in memory.

A line is a row. A torn last line, of a killed writer, is dropped. Of an image that was measured again, for its map, the
last row counts: names of shards begin with the time, and the map that lies there is that of the last.
"""

import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from disbench.errors import InputError
from disbench.metrics.measurement import Measurement

ROWS_PER_CHUNK = 1 << 14  # rows in memory, which take 50 MB
_NONE = msgspec.Raw(b"null")


@dataclass(frozen=True)
class Row:
    """One measured image. `seconds` per stage: prepare, infer, restore; `digest` is that of the uint8 map."""

    split: str
    name: str
    measurement: Measurement
    seconds: dict[str, float]
    digest: str

    @property
    def key(self) -> tuple[str, str]:
        """(split, name), which is unique in a run."""
        return self.split, self.name


class _Half(msgspec.Struct):
    fg_half: msgspec.Raw


class _Name(msgspec.Struct):
    """Of a row's line, all that is to be known of every row at once; the rest is passed over."""

    split: str
    name: str
    measurement: _Half


class RowLog:
    """The rows that one process adds to a run; each is a whole line in its file when `append` returns."""

    def __init__(self, folder: Path):
        name = f"{time.time_ns():020}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        self._file = (folder / "shards" / name).open("xb")

    def append(self, row: Row) -> None:
        self._file.write(msgspec.json.encode(row, enc_hook=lambda array: array.tolist()) + b"\n")
        self._file.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


class RowLogs:
    """All rows of a run, on disk until asked for; `key in shards`, `len(shards)`, where a key is (split, name)."""

    def __init__(self, folder: Path):
        self._files = sorted((folder / "shards").glob("*.jsonl"))
        self._places: dict[tuple[str, str], tuple[int, int, int]] = {}  # key -> file, line number, offset
        self._half: tuple[str, str] | None = None
        decode = msgspec.json.Decoder(_Name).decode
        for shard, path in enumerate(self._files):
            offset = 0
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if line.endswith(b"\n"):  # else it is torn
                        row = _decoded(decode, line, path, number)
                        self._places[row.split, row.name] = shard, number, offset
                        if row.measurement.fg_half != _NONE:
                            self._half = row.split, row.name
                    offset += len(line)

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def rows(self, keys: Iterable[tuple[str, str]]) -> Iterator[Row]:
        """The rows of these keys, in their order, AT_ONCE in memory."""
        decode = msgspec.json.Decoder(Row, dec_hook=lambda _, counts: np.array(counts, np.uint32)).decode
        keys = iter(keys)
        while some := list(islice(keys, ROWS_PER_CHUNK)):
            found: dict[tuple[str, str], Row] = {}
            places = sorted((self._places[key], key) for key in some)
            for shard, of_one in groupby(places, key=lambda place: place[0][0]):
                path = self._files[shard]
                with path.open("rb") as file:
                    for (_, number, offset), key in of_one:
                        file.seek(offset)
                        found[key] = _decoded(decode, file.readline(), path, number)
            yield from (found.pop(key) for key in some)

    def with_half(self) -> Row | None:
        """A row that has fg_half, if there is one."""
        return next(self.rows([self._half])) if self._half else None


def _decoded(decode: Callable[[bytes], Any], line: bytes, path: Path, number: int) -> Any:
    try:
        return decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: line {number} is damaged ({error}); delete that line and resume") from None
