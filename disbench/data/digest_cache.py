"""Digests of files, kept in the user's cache, so that a process need not read all data that an earlier one has read.

    digests-v1/<digest of a folder's path>    name -> what `stat` said of the file, and its digest

As in git's index, a file counts as the same while size, times and inode are. Among the times is that of the last change
of anything, which goes on when a date is set back, so bytes changed under a restored date are found, but on Windows,
which has no such time, they are not. A file younger than RACY is not kept, since a clock's tick may hide a second
change; a file server whose clock is slow by more could hide one still, and so could a disk that fails. What must not
rest on this reads: `disbench data verify`, which also forgets what was kept, and `freeze`. Any fault of the cache means
that files are read.
"""

import hashlib
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec

from disbench.data.hashing import hash_file
from disbench.system.caches import cache_root
from disbench.system.files import write_atomic

RACY = 2_000_000_000  # ns; the clocks of file systems tick every 2 s at most
Stamp = tuple[int, int, int, int]  # size, ns of the last change of the bytes, of anything; inode
Kept = dict[str, tuple[Stamp, str]]


@contextmanager
def open_digest_cache(folders: Iterable[Path]) -> Iterator[Callable[[Path | None], str | None]]:
    """`file_digest` for files in some folders, which reads what is not known of them, and keeps it when the block ends.

    Where several processes ask at once, one reads, and the others wait for it.
    """
    places = {folder: _place(folder) for folder in folders}
    with ExitStack() as turns:
        for place in sorted(set(places.values())):  # two names of one folder take one turn, or wait for themselves
            turns.enter_context(_turn(place))
        known = {folder: _read(place) for folder, place in places.items()}
        found: dict[Path, Kept] = {folder: {} for folder in places}

        def digest(path: Path | None) -> str | None:
            if path is None:
                return None
            now, stamp = time.time_ns(), _stamp(path)
            kept = known[path.parent].get(path.name)
            if kept is None or kept[0] != stamp:
                kept = stamp, hash_file(path)
                if now - max(stamp[1:3]) < RACY or _stamp(path) != stamp:
                    return kept[1]
            found[path.parent][path.name] = kept
            return kept[1]

        yield digest
        for folder, place in places.items():
            if found[folder] != known[folder]:
                _write(place, found[folder])


def forget_digests(folders: Iterable[Path]) -> None:
    """What is kept of some folders; their files are read when they are next asked for."""
    for folder in folders:
        with suppress(OSError):
            _place(folder).unlink(missing_ok=True)


def _place(folder: Path) -> Path:
    return cache_root() / "digests-v1" / hashlib.sha256(str(folder.resolve()).encode()).hexdigest()


def _stamp(path: Path) -> Stamp:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


@contextmanager
def _turn(place: Path) -> Iterator[None]:
    """One process after the other; all at once where there are no such locks."""
    with ExitStack() as held:
        with suppress(OSError, ModuleNotFoundError):
            import fcntl

            place.parent.mkdir(parents=True, exist_ok=True)
            fcntl.flock(held.enter_context(place.with_suffix(".lock").open("a")), fcntl.LOCK_EX)
        yield


def _read(place: Path) -> Kept:
    with suppress(OSError, ValueError):
        checksum, _, text = place.read_bytes().partition(b" ")
        if checksum == _checksum(text):
            return msgspec.json.decode(text, type=Kept)
    return {}


def _write(place: Path, kept: Kept) -> None:
    text = msgspec.json.encode(kept)
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(place, _checksum(text) + b" " + text)


def _checksum(text: bytes) -> bytes:
    return b"%08x" % zlib.crc32(text)
