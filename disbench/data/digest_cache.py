"""Digests of files in the user's cache, so that an unchanged data set is not read again to identify it.

    digests-v1/<digest of a folder's path>    for each file name: size, mtime, ctime and inode, and the digest
    digests-v1/<digest of paths>-content      the same four numbers of each file, and the digest of what was read

As in git's index, a file is unchanged while these four numbers are. Comparing ctime finds changes under a restored
mtime, except on Windows, which has no such time. Files younger than RACY are not cached, because one tick of the clock
could hide a second change. `disbench data verify` and `disbench data freeze` read every file. A cache that is damaged
or cannot be written is the same as none: files are read. The latter causes one warning.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from disbench.data.hashing import hash_file
from disbench.errors import InputError
from disbench.system.caches import cache_folder, cache_root, read_checked, warn_unwritable, write_checked

VERSION = "v1"  # change it whenever the content of a cache file can change
RACY = 2_000_000_000  # nanoseconds; the clocks of file systems tick every 2 s or faster
Stamp = tuple[int, int, int, int]  # size, mtime in ns, ctime in ns, inode
Entries = dict[str, tuple[Stamp, str]]  # name -> stamp, digest


class DigestCache:
    """The digests of all files in some folders.

    Args:
        folders: the folders.
        compute: the function that computes the digest of a file. Default: its SHA-256.
        kind: sets the digests of this function apart from those of others.
    """

    def __init__(self, folders: Iterable[Path], compute: Callable[[Path], str] | None = None, kind: str = ""):
        self._compute, self._kind = compute or hash_file, kind
        self._saved = {folder: _load(folder, kind) for folder in folders}
        self._current: dict[Path, Entries] = {folder: {} for folder in self._saved}

    def hash_file(self, path: Path) -> str:
        """Return the digest of a file in one of the folders, from the cache if it is unchanged."""
        now, stamp = time.time_ns(), _stamp(path)
        entry = self._saved[path.parent].get(path.name)
        if entry is None or entry[0] != stamp:
            entry = stamp, self._compute(path)
            is_racy = now - max(stamp[1:3]) < RACY or _stamp(path) != stamp
            if is_racy:
                return entry[1]
        self._current[path.parent][path.name] = entry
        return entry[1]

    def save(self) -> None:
        """Write the digests, if any changed. Those of files that were not asked for are kept while the files exist."""
        for folder, entries in self._current.items():
            saved = self._saved[folder]
            if any(saved.get(name) != entry for name, entry in entries.items()):
                saved = _load(folder, self._kind)  # others may have added some, or removed them
                kept = {name: entry for name, entry in saved.items() if (folder / name).exists()}
                _write(_cache_file(folder, self._kind), kept | entries)


def cache_digest(paths: Sequence[Path], key: str, opened: int, compute: Callable[[], str]) -> str:
    """Return the digest of something that was read from files, from the cache if they are unchanged.

    Args:
        paths: the files.
        key: everything else that decides the digest.
        opened: nanoseconds since the epoch before the first file was read: later changes keep it from the cache.
        compute: computes the digest.
    """
    name = hashlib.sha256("\n".join([key, *(str(path.resolve()) for path in paths)]).encode()).hexdigest()
    file = cache_folder("digests", VERSION) / f"{name}-content"
    stamps = [_stamp(path) for path in paths]
    with suppress(ValueError):
        saved, digest = msgspec.json.decode(read_checked(file) or b"[[],\"\"]", type=tuple[list[Stamp], str])
        if digest and saved == stamps:
            return digest
    digest = compute()
    if all(max(stamp[1:3]) < opened - RACY for stamp in stamps):
        _write(file, (stamps, digest))
    return digest


def forget_digests(folders: Iterable[Path]) -> None:
    """Remove the cached digests of some folders, so that their files are read next time."""
    for folder in folders:
        with suppress(OSError):
            _cache_file(folder).unlink(missing_ok=True)


def _cache_file(folder: Path, kind: str = "") -> Path:
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()
    return cache_folder("digests", VERSION) / f"{name}{kind}"


def _write(file: Path, content: Any) -> None:
    try:
        write_checked(file, msgspec.json.encode(content))
    except (OSError, InputError) as error:
        warn_unwritable(cache_root(), error)


def _load(folder: Path, kind: str) -> Entries:
    with suppress(ValueError):
        return msgspec.json.decode(read_checked(_cache_file(folder, kind)) or b"{}", type=Entries)
    return {}


def _stamp(path: Path) -> Stamp:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
