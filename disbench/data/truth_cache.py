"""What takes long to find out about a ground truth, kept between methods in the user's cache, never in the data set.

    skeleton-<digest of the foreground>.png    1 bit per pixel, what effort() needs of a truth
    complexity-<digest of the file>.json       the numbers that `disbench report --by complexity` needs of it

An entry's name is the digest of what its content follows from, so an entry is never stale, and processes that write the
same one write the same bytes, each whole. A damaged entry is found again. Decoded masks and distances are not kept: to
decode and to measure them takes hardly longer than to read them.
"""

import hashlib
import zlib
from pathlib import Path

import cv2
import msgspec
import numpy as np

from disbench.data.complexity import Complexity, measure_complexity
from disbench.data.hashing import hash_file
from disbench.data.images import read_truth
from disbench.errors import InputError
from disbench.metrics.validate import check_map
from disbench.system.caches import cache_root
from disbench.system.files import write_atomic

VERSION = "v1"  # to be changed whenever what is kept can change: the kernels, the tolerance, how a truth is read
_ONE_BIT = [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 1]


def truth_cache_folder() -> Path:
    return cache_root() / f"truths-{VERSION}"


def load_skeleton(truth: np.ndarray) -> np.ndarray:
    """disbench.metrics.effort.skeleton, kept: uint8 (h, w), 0 or 255, of a truth uint8 (h, w), foreground where > 128.

    InputError as there, and where the cache cannot be written.
    """
    from disbench.data.png import decode_grey  # these load numba
    from disbench.metrics.effort import skeleton

    check_map("truth", truth)
    if truth.max() <= 1:
        return skeleton(truth)  # which refuses it, or finds nothing to keep
    packed = np.packbits(truth > 128)
    digest = hashlib.sha256(repr(truth.shape).encode() + packed.tobytes()).hexdigest()
    path = truth_cache_folder() / f"skeleton-{digest}.png"
    kept = _read(path)
    bones = decode_grey(kept) if kept else None  # None where a checksum is wrong
    if bones is None or bones.shape != truth.shape:
        bones = skeleton(truth)
        _keep(path, cv2.imencode(".png", bones, _ONE_BIT)[1].tobytes())
    return bones


def load_complexity(path: Path, digest: str | None = None) -> Complexity:
    """disbench.data.complexity of a truth file, kept; `digest` is its file_digest, where that is known already.

    InputError where the file is no mask, and where the cache cannot be written.
    """
    entry = truth_cache_folder() / f"complexity-{digest or hash_file(path)}.json"
    checksum, _, text = (_read(entry) or b"").partition(b" ")
    if checksum != _checksum(text):
        text = msgspec.json.encode(measure_complexity(read_truth(path)))
        _keep(entry, _checksum(text) + b" " + text)
    return msgspec.json.decode(text, type=Complexity)


def clear_caches() -> tuple[int, int]:
    """Remove what is kept, here and by disbench.data.known; the number of files and of bytes that this freed."""
    kept = (path for kind in ("truths", "digests") for path in cache_root().glob(f"{kind}-*/*"))
    files = [path for path in kept if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    for path in files:
        path.unlink(missing_ok=True)
    return len(files), size


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:  # not there, or unreadable, which writing it then tells
        return None


def _keep(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)
    except OSError as error:
        raise InputError(
            f"{path.parent}: cannot be written ({error.strerror}); point DISBENCH_CACHE at another folder"
        ) from None


def _checksum(text: bytes) -> bytes:
    return b"%08x" % zlib.crc32(text)
