"""Downloads by huggingface_hub, which keeps files in its own cache and resumes broken downloads."""

from collections.abc import Callable, Iterator
from pathlib import Path

from disbench.errors import InputError
from disbench.system.network import can_connect, is_offline
from disbench.system.progress import announce_once
from disbench.system.variables import check_hub_variables

ALTERNATIVES = "give the path of a file or folder that you have"
STATUSES = {
    401: ("HTTP 401: it does not exist, or is private or gated", "check the id, or log in with `hf auth login`"),
    403: ("HTTP 403: access is denied", "accept its conditions on its page, and log in with `hf auth login`"),
    404: ("HTTP 404: no such repository or file", "check the id"),
    429: ("HTTP 429: too many requests", "wait some minutes, or log in with `hf auth login`"),
}


def must_use_cache() -> bool:
    """Return whether only the cache can be read: connections are forbidden, or the hub does not answer."""
    check_hub_variables()
    from huggingface_hub import constants

    return is_offline() or not can_connect(constants.ENDPOINT)


def call_hub(name: str, download: Callable[..., str], fault: str = "not available from Hugging Face") -> Path:
    """Download what is not in the cache, and return its place there.

    Args:
        name: what the user called it, for errors.
        download: a function of huggingface_hub, but for `local_files_only`.
        fault: what is wrong if it fails, for errors.

    Raises:
        InputError: nothing can be downloaded, or without a network, not all is in the cache.
    """
    from_cache = must_use_cache()
    if not from_cache:
        announce_once(f"{name}: downloading what is not in the cache of Hugging Face ...")
    try:
        return Path(download(local_files_only=from_cache))
    except Exception as error:  # of the network, the hub and the disk
        reason, advice = _explain(error, from_cache=from_cache)
        raise InputError(f"{name}: {fault} ({reason}); {advice}") from error


def _explain(error: Exception, *, from_cache: bool) -> tuple[str, str]:
    """Return the reason and the advice for a download that failed."""
    if from_cache:
        reason = "offline" if is_offline() else "no network"
        return f"{reason}, and not all of it in the cache", f"connect, or {ALTERNATIVES}"
    for cause in _list_causes(error):
        status = getattr(getattr(cause, "response", None), "status_code", None)
        if status in STATUSES:
            reason, advice = STATUSES[status]
            return reason, f"{advice}, or {ALTERNATIVES}"
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return reason, f"run the same command again, which resumes the download, or {ALTERNATIVES}"


def _list_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
