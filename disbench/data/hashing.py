"""Digests of files, and of sets of files."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from disbench.data.dataset import stem_key
from disbench.errors import InputError
from disbench.system.files import require_regular_file

Loaded = TypeVar("Loaded")


class ChangedFileError(InputError):
    """A file has other bytes than those that were hashed."""

    def __init__(self, path: Path | str):
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return (
            f"{self.path}: changed after it was hashed, or differs on another machine, so it is not used; "
            "run the same command again"
        )


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits."""
    with require_regular_file(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_digest(path: Path, data: bytes | memoryview, digest: str | None) -> None:
    """Check that bytes that were read from a file are those with a digest of hash_file().

    Args:
        path: the file, for messages.
        data: the bytes.
        digest: the digest. None accepts any bytes.

    Raises:
        ChangedFileError: for other bytes.
    """
    if digest is not None and hashlib.sha256(data).hexdigest() != digest:
        raise ChangedFileError(path)


def load_hashed(paths: Sequence[Path], load: Callable[[], Loaded]) -> tuple[Loaded, list[str]]:
    """Load something from files by code that reads them itself, and hash the files.

    They are hashed before and after, because a file may change while it is loaded.

    Args:
        paths: the files.
        load: function that reads the files.

    Returns:
        What was loaded, and the digests of the files.

    Raises:
        ChangedFileError: for a file that changed meanwhile.
    """
    digests = [hash_file(path) for path in paths]
    loaded = load()
    for path, digest in zip(paths, digests, strict=True):
        if hash_file(path) != digest:
            raise ChangedFileError(path)
    return loaded, digests


def combine_digests(digests: Iterable[tuple[str, str | None]]) -> str:
    """Combine (name, digest of its file) of a split into one digest, independent of their order."""
    lines = sorted(f"{stem_key(name)}\t{digest}\n" for name, digest in digests)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
