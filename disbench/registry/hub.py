"""Models of the Hugging Face hub."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from disbench.errors import InputError
from disbench.system.hub import ALTERNATIVES, call_hub
from disbench.system.variables import check_hub_variables

FAULT = "no such path, and not available from Hugging Face"


def download_from_hub(name: str, repository: str, file: str | None, patterns: Sequence[str]) -> Path:
    """Download a file of a repository, or the folder of those that match patterns, unless they are in the cache.

    Args:
        name: what the user called it, for errors.
        repository: OWNER/NAME.
        file: its path in the repository; None for a folder.
        patterns: names or globs of the folder's files.

    Raises:
        InputError: nothing can be downloaded, or without a network, not all is in the cache.
    """
    check_hub_variables()
    from huggingface_hub import hf_hub_download, snapshot_download

    if file:
        return call_hub(name, partial(hf_hub_download, repository, file), FAULT)
    if not patterns:
        raise InputError(f"{name}: no such file or folder, and a whole repository; give one file of it: {name}/FILE")
    folder = call_hub(name, partial(snapshot_download, repository, allow_patterns=list(patterns)), FAULT)
    if not any(any(folder.glob(pattern)) for pattern in patterns):
        raise InputError(f"{name}: its repository has none of {', '.join(patterns[:3])}; {ALTERNATIVES}")
    return folder
