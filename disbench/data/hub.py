"""Data sets of the Hugging Face hub: `--data hf:OWNER/NAME`. huggingface_hub keeps the files in its own cache."""

import re
from pathlib import Path

from disbench.errors import InputError
from disbench.system.network import can_connect, is_offline
from disbench.system.progress import announce_once

HUB_PREFIX = "hf:"
_PATTERNS = ("*.parquet", "*.png", "*.jpg", "*.jpeg", "*.tif", "*.tiff", "*.bmp", "*.webp")
_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def is_remote(location: object) -> bool:
    """Return whether a location is no path: DIS-Mini, or a data set of the hub."""
    return location == "mini" or str(location).startswith(HUB_PREFIX)


def download_dataset(location: str) -> Path:
    """Download a data set, or the files of it that changed, and return its folder.

    Args:
        location: hf:OWNER/NAME.

    Raises:
        InputError: for another form, without huggingface_hub, and where nothing can be downloaded.
    """
    repository = location.removeprefix(HUB_PREFIX)
    if not _ID.fullmatch(repository):
        raise InputError(f"{location}: not the id of a data set; give hf:OWNER/NAME")
    try:
        from huggingface_hub import constants, snapshot_download
    except ImportError:
        raise InputError(f"{location}: needs huggingface_hub; pip install huggingface_hub") from None
    from_cache = is_offline() or not can_connect(constants.ENDPOINT)
    if not from_cache:
        announce_once(f"{location}: downloading what is not in the cache of Hugging Face ...")
    patterns = list(_PATTERNS)
    try:
        return Path(
            snapshot_download(repository, repo_type="dataset", allow_patterns=patterns, local_files_only=from_cache)
        )
    except Exception as error:  # of the network, the hub and the disk
        if from_cache:
            reason = "offline" if is_offline() else "no network"
            raise InputError(
                f"{location}: not in the cache, and cannot be downloaded ({reason}); connect, or give a folder"
            ) from None
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{location}: cannot be downloaded ({reason}); check the id and the network") from None
