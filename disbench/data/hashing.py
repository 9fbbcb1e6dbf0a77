"""Digests of files, and of sets of files."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from disbench.data.dataset import stem_key


def hash_file(path: Path | None) -> str | None:
    """SHA-256 of a file's bytes; None for no file."""
    if path is None:
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def combine_digests(digests: Iterable[tuple[str, str | None]]) -> str:
    """One digest of a split from (name, digest of its file), whatever their order."""
    lines = sorted(f"{stem_key(name)}\t{digest}\n" for name, digest in digests)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
