"""Data sets of the Hugging Face hub: `--data hf:OWNER/NAME`."""

import re
from functools import partial
from pathlib import Path

from disbench.errors import InputError
from disbench.system.hub import call_hub
from disbench.system.variables import check_hub_variables

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
    check_hub_variables()
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise InputError(f"{location}: needs huggingface_hub; pip install huggingface_hub") from None
    return call_hub(
        location, partial(snapshot_download, repository, repo_type="dataset", allow_patterns=list(_PATTERNS))
    )
