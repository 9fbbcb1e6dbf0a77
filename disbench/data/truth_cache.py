"""Slow results about ground truths, in the user's cache, so that methods share them. Data sets are never written to.

    truths-v2/skeleton-<digest of the foreground>.png    1 bit per pixel, for human correction efforts
    truths-v2/complexity-<digest of the file>.json       for `disbench report --by complexity`

The name of an entry is the digest of its input, so no entry is ever outdated. Processes that write the same entry write
the same bytes, atomically. A damaged entry is computed again. Where no entry can be written, there is one warning, and
everything is computed each time. Decoded masks and distances are not cached, because
reading them would take about as long as computing them.
"""

import hashlib
from pathlib import Path

import cv2
import msgspec
import numpy as np

from disbench.data.complexity import Complexity, measure_complexity
from disbench.data.hashing import hash_file
from disbench.data.images import read_truth
from disbench.errors import InputError
from disbench.metrics.validate import check_map
from disbench.system.caches import cache_folder, cache_root, read_checked, warn_unwritable, write_checked
from disbench.system.files import write_atomic

VERSION = "v2"  # change it whenever an entry can change: the kernels, the tolerance, how a truth is read
_ONE_BIT = [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 1]


def truth_cache_folder() -> Path:
    """Return the folder of the entries. It need not exist."""
    return cache_folder("truths", VERSION)


def load_skeleton(truth: np.ndarray) -> np.ndarray:
    """Return the skeleton of a truth from the cache, or compute it with disbench.metrics.effort.skeleton.

    `truth` is uint8 (h, w), foreground where > 128. Returns uint8 (h, w), 0 or 255. Raises InputError as that function
    does.
    """
    from disbench.data.png import decode_grey  # these two load Numba
    from disbench.metrics.effort import skeleton

    check_map("truth", truth)
    if truth.max() <= 1:
        return skeleton(truth)  # which refuses 0 and 1, and is empty for zeros
    packed = np.packbits(truth > 128)
    digest = hashlib.sha256(repr(truth.shape).encode() + packed.tobytes()).hexdigest()
    path = truth_cache_folder() / f"skeleton-{digest}.png"
    data = _read(path)
    bones = decode_grey(data) if data else None  # None for a wrong checksum
    if bones is None or bones.shape != truth.shape:
        bones = skeleton(truth)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, cv2.imencode(".png", bones, _ONE_BIT)[1].tobytes())
        except (OSError, InputError) as error:
            warn_unwritable(cache_root(), error)
    return bones


def load_complexity(path: Path, digest: str | None = None, kind: str = "binary") -> Complexity:
    """Return the complexity of a truth file from the cache, or measure it.

    Args:
        path: the truth file.
        digest: hash_file() of it, if the caller has computed it already. A file with another one is refused.
        kind: the kind of the truth; see disbench.data.images.read_truth.

    Returns:
        The complexity.

    Raises:
        InputError: if the file is not a mask, or changed after it was hashed.
    """
    digest = digest or hash_file(path)
    entry = truth_cache_folder() / f"complexity-{'' if kind == 'binary' else f'{kind}-'}{digest}.json"
    data = read_checked(entry)
    if data is None:
        truth = read_truth(path, digest, kind)
        if kind != "binary":
            truth = np.where(truth > 128, np.uint8(255), np.uint8(0))
        data = msgspec.json.encode(measure_complexity(truth))
        try:
            write_checked(entry, data)
        except (OSError, InputError) as error:
            warn_unwritable(cache_root(), error)
    return msgspec.json.decode(data, type=Complexity)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:  # missing, or unreadable, which the attempt to write it then reports
        return None
