"""The user's cache: where it is, the folders in it, and files that a checksum protects.

    dis-mini-v1/        the pictures of DIS-Mini (disbench.data.mini)
    truths-v2/          skeletons and complexity of ground truths (disbench.data.truth_cache)
    digests-v1/         digests of the files of data sets (disbench.data.digest_cache)
    parquet-v1/         images and masks of parquet files (disbench.data.parquet)
    latents-v1/         latents of training pictures (models/diffdis/latent_cache.py)
    kernels-v1/         compiled kernels (disbench.system.compilation)
    weights-v1/         downloaded weights and their digests (disbench.registry.url_files)

Everything in the cache can be computed or downloaded again. A cache that cannot be written, or is full, costs time and
one warning. Only DIS-Mini, parquet files and downloaded weights need it.
"""

import errno
import os
import shutil
import tempfile
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

from disbench.errors import UnwritableCache
from disbench.system.files import write_atomic

KINDS = ("kernels", "truths", "digests", "parquet", "latents", "dis-mini", "weights")
KERNELS_VERSION = "v1"  # change it whenever the content of a compiled kernel's file can change
_CLEARED = ("kernels", "truths", "digests", "parquet", "latents")  # by clear_caches(); DIS-Mini and weights stay
_warned: set[Path] = set()


def cache_root() -> Path:
    """Return $DISBENCH_CACHE, or $XDG_CACHE_HOME/disbench, or ~/.cache/disbench. The folder need not exist.

    For a user without a home, as in many containers, it is a folder that nobody can create.
    """
    if folder := os.environ.get("DISBENCH_CACHE"):
        return Path(folder)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "disbench"
    try:
        return Path.home() / ".cache" / "disbench"
    except RuntimeError:
        return Path(os.devnull) / "disbench"


def cache_folder(kind: str, version: str) -> Path:
    """Return the folder of one kind of cache. The folder need not exist."""
    return cache_root() / f"{kind}-{version}"


def kernel_cache_folder() -> Path:
    """Return the folder of the compiled kernels. The folder need not exist."""
    return _base("kernels") / f"kernels-{KERNELS_VERSION}"


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
    write_atomic(path, _checksum(data) + b" " + data, sync=False)  # the checksum reveals what a crash leaves


def check_writable(folder: Path) -> None:
    """Create a folder and a file in it, which is removed. Raises OSError if that is impossible."""
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()


def warn_unwritable(base: Path, error: Exception) -> None:
    """Warn, once per process, that the caches in `base` cannot be written. Results do not depend on them."""
    if base in _warned:
        return
    _warned.add(base)
    variable = "DISBENCH_CACHE" if base == cache_root() else "NUMBA_CACHE_DIR"
    warnings.warn(
        f"{base}: the cache cannot be written ({getattr(error, 'strerror', None) or error}), so every command computes "
        f"its content again; set {variable} to a folder that can be written",
        UnwritableCache,
        stacklevel=2,
    )


@dataclass(frozen=True)
class CacheState:
    """One kind of cache: where it is, how large it is, and whether it can be written."""

    base: str
    files: int
    bytes: int
    writable: bool


def list_caches() -> dict[str, CacheState]:
    """List kind -> state. Creates nothing, so a full disk counts as writable."""
    states = {}
    for kind in KINDS:
        base = _base(kind)
        sizes = [size for folder in _folders(kind) for size in _file_sizes(folder)]
        folder = next(iter(_folders(kind)), base)
        states[kind] = CacheState(str(base), len(sizes), sum(sizes), _is_writable(folder))
    return states


def clear_caches() -> tuple[int, int]:
    """Remove all versions of everything but DIS-Mini and weights. Returns the files and the bytes removed."""
    entries = (path for kind in _CLEARED for path in cache_root().glob(f"{kind}-v*/**/*"))
    files = [path for path in entries if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    for path in files:
        path.unlink(missing_ok=True)
    for folder in cache_root().glob("parquet-v*"):
        shutil.rmtree(folder, ignore_errors=True)
    return len(files), size


def _base(kind: str) -> Path:
    """Return the folder that contains the folders of a kind."""
    numba_folder = os.environ.get("NUMBA_CACHE_DIR")
    return Path(numba_folder) / "disbench" if kind == "kernels" and numba_folder else cache_root()


def _folders(kind: str) -> list[Path]:
    """List the folders of a kind, of all versions."""
    try:
        return sorted(path for path in _base(kind).glob(f"{kind}-v*") if path.is_dir())
    except OSError:
        return []


def _file_sizes(folder: Path) -> list[int]:
    """List the sizes of the files in a folder and in its subfolders, as far as they can be read."""
    sizes = []
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                sizes.append(Path(parent, name).lstat().st_size)
            except OSError:  # removed in the meantime
                continue
    return sizes


def _is_writable(folder: Path) -> bool:
    """Return whether files can be created in a folder, or the folder itself in the nearest folder that exists."""
    for path in (folder.absolute(), *folder.absolute().parents):
        try:
            path.stat()
        except OSError as error:
            if error.errno == errno.ENOENT:
                continue
            return False
        return path.is_dir() and os.access(path, os.W_OK | os.X_OK)
    return False


def _checksum(data: bytes) -> bytes:
    return b"%08x" % zlib.crc32(data)
