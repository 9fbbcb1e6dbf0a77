"""Compare downloads with the digests of a card, or with those of the first download where the card has none."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from disbench.data.digest_cache import DigestCache
from disbench.errors import InputError
from disbench.registry.card import Download
from disbench.registry.url_files import VERSION, file_location
from disbench.system.caches import cache_folder, cache_root, warn_unwritable
from disbench.system.files import write_atomic

SUFFIX = ".sha256"  # of a record, next to the file or under its name


def record_of_url(url: str) -> Path:
    """Return the record of an address's file: the SHA-256 of its first download."""
    path = file_location(url)
    return path.with_name(path.name + SUFFIX)


def record_of_hub(repository: str, file: str) -> Path:
    """Return the record of a repository's file, outside the cache of Hugging Face, whose folders differ by version."""
    return cache_folder("weights", VERSION) / "hub" / repository / (file + SUFFIX)


def read_record(record: Path) -> str:
    """Return the digest of a record, "" if there is none."""
    try:
        text = record.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
    return text if re.fullmatch(r"[0-9a-f]{64}", text) else ""


def check_downloads(name: str, entry: Download, files: Mapping[Path, Path]) -> None:
    """Check downloaded files before they are read, and record digests that nobody states.

    Args:
        name: what the user called the weights, for errors.
        entry: the entry of the card. Its digests are those of a single file.
        files: path of each file, by its record.

    Raises:
        InputError: for a file with another digest.
    """
    cache = DigestCache({path.parent for path in files.values()})
    for record, path in files.items():
        digest = cache.hash_file(path)
        is_single = len(files) == 1
        if is_single and entry.md5:
            with path.open("rb") as file:
                _compare(name, path, entry.md5.lower(), hashlib.file_digest(file, "md5").hexdigest(), "the card")
        if is_single and entry.sha256:
            _compare(name, path, entry.sha256.lower(), digest, "the card")
            continue
        # The hub's name for a large file is its SHA-256.
        if re.fullmatch(r"[0-9a-f]{64}", blob := path.resolve().name):
            _compare(name, path, blob, digest, "Hugging Face")
        if recorded := read_record(record):
            _compare(name, path, recorded, digest, f"the first download, recorded in {record}")
        else:
            _write_record(record, digest)
    cache.save()


def _write_record(record: Path, digest: str) -> None:
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(record, f"{digest}\n".encode())
    except (OSError, InputError) as error:
        warn_unwritable(cache_root(), error)


def _compare(name: str, path: Path, expected: str, digest: str, origin: str) -> None:
    if digest != expected:
        kind = "MD5" if len(expected) == 32 else "SHA256"
        raise InputError(
            f"{name}: not loaded, because {path} has the {kind} {digest}, not {expected} of {origin}: damaged, or "
            "replaced by its publisher; remove the file to download it again, or give its path to use it as it is"
        )
