"""Where disbench keeps what it can make again."""

import os
from pathlib import Path


def cache_root() -> Path:
    """$DISBENCH_CACHE, else $XDG_CACHE_HOME/disbench, else ~/.cache/disbench; it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("DISBENCH_CACHE") or Path(base) / "disbench")
