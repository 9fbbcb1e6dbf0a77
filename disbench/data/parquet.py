"""Data sets in parquet files with a column of images and one of masks, in the form of Hugging Face.

A value is a struct of `bytes` and `path`. The files in it are extracted, unchanged, into the user's cache:

    parquet-v1/<digest of the parquet files>/{im,gt}/<name>.<extension>

An image is named by its path if all paths of a subset have different, plain names; otherwise by the number of its row.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from disbench.data.dataset import Sample, stem_key
from disbench.data.digest_cache import DigestCache
from disbench.data.file_lists import is_ignored
from disbench.data.headers import HEADER_BYTES, identify_format
from disbench.data.pairing import read_pairs
from disbench.errors import InputError, describe_error
from disbench.system.caches import cache_folder
from disbench.system.files import require_regular_file, temporary_folder, wait_for_folder
from disbench.system.progress import announce_once

VERSION = "v1"  # change it whenever the names or the content of extracted files can change
COLUMN_PAIRS = (("image", "mask"), ("image", "gt"), ("image", "label"), ("images", "masks"), ("im", "gt"))
MAX_STEM_BYTES = 200  # of a name from a path; file systems take 255
_SHARD = re.compile(r"(?P<split>.+)-(?P<index>\d{5})-of-(?P<count>\d{5})(-[0-9a-f]+)?")
_ROWS = 16  # in memory
_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif", "BMP": ".bmp", "WEBP": ".webp"}


def find_shards(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Find the parquet files in a folder, or in data/ in it.

    Returns:
        Split -> files, in order. "" are files without a split in their name, such as 0000.parquet. Empty if there are
        no parquet files.
    """
    for place in (folder, folder / "data"):
        try:
            paths = sorted(path for path in place.glob("*.parquet") if not is_ignored(path.name))
        except OSError:
            continue
        shards: dict[str, list[Path]] = {}
        for path in paths:
            match = _SHARD.fullmatch(path.stem)
            split = match["split"] if match else "" if path.stem.isdigit() else path.stem
            shards.setdefault(split, []).append(path)
        if shards:
            return {split: tuple(members) for split, members in shards.items()}
    return {}


def read_shards(split: str, paths: Sequence[Path]) -> tuple[Sample, ...]:
    """Read a subset from its parquet files.

    Args:
        split: name of the subset.
        paths: all of its files, in order.

    Returns:
        Samples, whose files are in the cache.

    Raises:
        InputError: for missing or unreadable files, for columns in another form, and for faults of the pairs.
    """
    _check_complete(paths)
    digests = DigestCache({path.parent for path in paths})
    digest = hashlib.sha256("\n".join(digests.hash_file(path) for path in paths).encode()).hexdigest()
    digests.save()
    folder = cache_folder("parquet", VERSION) / digest
    if folder.is_dir():
        with wait_for_folder(folder.parent):  # or it could be one that another process has just made
            if not _is_whole(folder, paths):
                shutil.rmtree(folder, ignore_errors=True)  # files were removed, or never reached the disk
    if not folder.is_dir():
        announce_once(f"extracting {paths[0].parent} into the cache, once ...")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with temporary_folder(folder.parent) as part:
                _extract(paths, part / "pairs")
                if not folder.is_dir():
                    (part / "pairs").rename(folder)
        except OSError as error:
            if not folder.is_dir():  # otherwise another process was faster
                raise InputError(
                    f"{folder}: cannot be written ({describe_error(error)}); set DISBENCH_CACHE to another folder"
                ) from None
    return read_pairs(split, folder / "im", folder / "gt")


def _is_whole(folder: Path, paths: Sequence[Path]) -> bool:
    """Return whether a folder of the cache has a file that is not empty for each image and mask."""
    import pyarrow.parquet as pq

    rows = sum(pq.read_metadata(path).num_rows for path in paths)
    try:
        counts = {sum(entry.stat().st_size > 0 for entry in os.scandir(folder / kind)) for kind in ("im", "gt")}
    except OSError:
        return False
    return counts == {rows}


def _check_complete(paths: Sequence[Path]) -> None:
    """Raise InputError if files of a numbered series are missing."""
    matches = [match for path in paths if (match := _SHARD.fullmatch(path.stem))]
    counts = {int(match["count"]) for match in matches}
    if matches and (len(counts) > 1 or {int(m["index"]) for m in matches} != set(range(max(counts)))):
        raise InputError(
            f"{paths[0].parent}: {len(matches)} of {max(counts)} files of {matches[0]['split']}; download the others"
        )


def _extract(paths: Sequence[Path], folder: Path) -> None:
    """Write the images and masks of parquet files into im/ and gt/ in a new folder."""
    names = _name_rows([_get_path(row) for row in _read_rows(paths, with_bytes=False)])
    for kind in ("im", "gt"):
        (folder / kind).mkdir(parents=True)
    for name, row in zip(names, _read_rows(paths), strict=True):
        for kind, value in zip(("im", "gt"), row, strict=True):
            data = (value or {}).get("bytes")
            place = f"{paths[0].parent}: row of {name}, {'image' if kind == 'im' else 'mask'}"
            if not isinstance(data, bytes):
                raise InputError(f"{place}: has no bytes; save the data set with the images embedded")
            suffix = _SUFFIXES[identify_format(Path(place), data[:HEADER_BYTES])]
            (folder / kind / f"{name}{suffix}").write_bytes(data)


def _get_path(row: tuple[Any, Any]) -> str:
    image, mask = ((value or {}).get("path") or "" for value in row)
    return image or mask


def _name_rows(paths: Sequence[str]) -> list[str]:
    """Return a name for each row: the stems of the paths if they are plain and differ, otherwise numbers."""
    stems = [PurePosixPath(path.replace("\\", "/")).stem for path in paths]
    if all(map(_is_plain, stems)) and len({stem_key(stem) for stem in stems}) == len(stems):
        return stems
    return [f"{number:06}" for number in range(len(paths))]


def _is_plain(stem: str) -> bool:
    """Return whether a stem can name a file anywhere."""
    is_text = bool(stem.strip()) and stem.isprintable() and not stem.startswith(".") and ":" not in stem
    return is_text and len(stem.encode()) <= MAX_STEM_BYTES


def _read_rows(paths: Sequence[Path], *, with_bytes: bool = True) -> Iterator[tuple[Any, Any]]:
    """Read the structs (image, mask) of all rows."""
    import pyarrow.parquet as pq

    for path in paths:
        try:
            with pq.ParquetFile(require_regular_file(path)) as file:
                columns = _find_columns(path, file.schema_arrow)
                fields = [f"{column}.{field}" for column in columns for field in ("path", "bytes")]
                wanted = fields if with_bytes else fields[::2]
                for batch in file.iter_batches(_ROWS, columns=wanted):
                    yield from zip(*(batch.column(column).to_pylist() for column in columns), strict=True)
        except InputError:
            raise
        except Exception as error:  # damaged bytes can make Arrow raise anything
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(f"{path}: not a readable parquet file ({reason}); download it again") from None


def _find_columns(path: Path, schema: Any) -> tuple[str, str]:
    import pyarrow as pa

    names = {name.casefold(): name for name in schema.names}
    for pair in COLUMN_PAIRS:
        if all(key in names for key in pair):
            columns = names[pair[0]], names[pair[1]]
            for column in columns:
                kind = schema.field(column).type
                fields = {field.name: field.type for field in kind} if pa.types.is_struct(kind) else {}
                if not {"bytes", "path"} <= fields.keys():
                    raise InputError(f"{path}: its column {column} is no struct of bytes and path, but {kind}")
            return columns
    raise InputError(
        f"{path}: has the columns {', '.join(schema.names)}; a data set has images in `image` and masks in `mask`"
    )
