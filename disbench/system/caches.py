"""The user's cache: where it is, the folders in it, and files that a checksum protects.

    dis-mini-v1/        the pictures of DIS-Mini (disbench.data.mini)
    truths-v1/          skeletons and complexity of ground truths (disbench.data.truth_cache)
    digests-v1/         digests of the files of data sets (disbench.data.digest_cache)

Everything in the cache can be computed again.
"""

import os
import zlib
from pathlib import Path

from disbench.system.files import write_atomic

_CLEARED = ("truths", "digests")  # kinds of caches that clear_caches() removes; the pictures of DIS-Mini stay


def cache_root() -> Path:
    """Return $DISBENCH_CACHE, or $XDG_CACHE_HOME/disbench, or ~/.cache/disbench. The folder need not exist."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("DISBENCH_CACHE") or Path(base) / "disbench")


def cache_folder(kind: str, version: str) -> Path:
    """Return the folder of one kind of cache. The folder need not exist."""
    return cache_root() / f"{kind}-{version}"


def read_checked(path: Path) -> bytes | None:
    """Read a file of write_checked(). Returns None if it is missing, unreadable or damaged."""
    try:
        checksum, _, data = path.read_bytes().partition(b" ")
    except OSError:
        return None
    return data if checksum == _checksum(data) else None


def write_checked(path: Path, data: bytes) -> None:
    """Write data with a checksum, and create the folder if needed. Raises OSError if that is impossible."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, _checksum(data) + b" " + data)


def clear_caches() -> tuple[int, int]:
    """Remove the caches of truths and digests, of all versions. Returns the number of files and of bytes removed."""
    entries = (path for kind in _CLEARED for path in cache_root().glob(f"{kind}-*/*"))
    files = [path for path in entries if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    for path in files:
        path.unlink(missing_ok=True)
    return len(files), size


def _checksum(data: bytes) -> bytes:
    return b"%08x" % zlib.crc32(data)
