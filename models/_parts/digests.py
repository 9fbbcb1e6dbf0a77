"""Digests of weights, kept in the user's cache while the files of the weights are unchanged."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from disbench.data.digest_cache import cache_digest

CODE = ("_parts", "diffdis", "genpercept", "lawdis")  # folders whose code reads such weights


def cache_weights_digest(
    files: Sequence[Path], opened: int, settings: Sequence[str], compute: Callable[[], str]
) -> str:
    """Return the digest of networks as they were loaded.

    Args:
        files: files that their tensors were read from; none where they are not known, so that nothing is cached.
        opened: nanoseconds since the epoch when loading began.
        settings: everything else that the digest depends on.
        compute: computes it.
    """
    if not files:
        return compute()
    root = Path(__file__).parents[1]
    code = b"".join(path.read_bytes() for name in CODE for path in sorted((root / name).glob("*.py")))
    return cache_digest(files, "\n".join([*settings, hashlib.sha256(code).hexdigest()]), opened, compute)
