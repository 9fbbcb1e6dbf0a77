"""Digests of files, and of sets of files."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from disbench.data.dataset import stem_key
from disbench.system.files import require_regular_file


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits."""
    with require_regular_file(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def combine_digests(digests: Iterable[tuple[str, str | None]]) -> str:
    """Combine (name, digest of its file) of a split into one digest, independent of their order."""
    lines = sorted(f"{stem_key(name)}\t{digest}\n" for name, digest in digests)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
