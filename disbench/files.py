"""Writing files whole or not at all, and the folder for what can be made again."""

import os
import secrets
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` so that a reader, or a process killed in the middle, leaves the old file or the new one, no part."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")  # not of the name, which may be as long as names can be
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def user_cache() -> Path:
    """$DISBENCH_CACHE, else $XDG_CACHE_HOME/disbench, else ~/.cache/disbench; it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("DISBENCH_CACHE") or Path(base) / "disbench")
