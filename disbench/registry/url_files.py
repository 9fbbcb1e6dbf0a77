"""Download a file from a plain address, and resume a broken download."""

import hashlib
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from disbench.errors import InputError, describe_error
from disbench.system.caches import cache_folder
from disbench.system.files import wait_for_folder
from disbench.system.hub import ALTERNATIVES, STATUSES
from disbench.system.network import can_connect, is_offline
from disbench.system.progress import LinePacer, announce_once

VERSION = "v1"  # of the folder's layout
CHUNK = 1 << 20
TIMEOUT = 10.0  # seconds without a byte
MAX_ATTEMPTS = 5


class _InterruptedError(Exception):
    """The connection ended before the file did."""


def file_location(url: str) -> Path:
    """Return the path of an address's file in the cache. It need not exist."""
    name = unquote(urlsplit(url).path).rpartition("/")[2] or "weights"
    return cache_folder("weights", VERSION) / hashlib.sha256(url.encode()).hexdigest()[:12] / name


def download_url(name: str, url: str) -> Path:
    """Return the file of an address from the cache, and download it first unless it is there.

    Args:
        name: what the user called it, for errors.
        url: the address.

    Raises:
        InputError: it cannot be downloaded. What has arrived is kept, and the next call resumes.
    """
    target = file_location(url)
    if target.exists():
        return target
    host = urlsplit(url).hostname
    if is_offline() or not can_connect(url):
        reason = "offline" if is_offline() else f"no network: {host} does not answer"
        raise InputError(f"{name}: not in the cache, and cannot be downloaded ({reason}); connect, or {ALTERNATIVES}")
    try:
        with wait_for_folder(target.parent):
            if not target.exists():  # another process may have downloaded it
                _complete(name, url, target)
    except HTTPError as error:
        reason, advice = STATUSES.get(error.code, (f"HTTP {error.code}", "try again later"))
        raise InputError(f"{name}: {url} cannot be downloaded ({reason}); {advice}, or {ALTERNATIVES}") from None
    except _InterruptedError as error:
        raise InputError(
            f"{name}: the download from {host} was interrupted ({error}); run the same command again to resume, "
            f"or {ALTERNATIVES}"
        ) from None
    except (URLError, HTTPException) as error:
        raise InputError(
            f"{name}: the download from {host} failed ({error}); run the same command again, or {ALTERNATIVES}"
        ) from None
    except OSError as error:
        raise InputError(
            f"{target}: cannot be written ({describe_error(error)}); set DISBENCH_CACHE to a folder that can, or "
            f"{ALTERNATIVES}"
        ) from None
    return target


def _complete(name: str, url: str, target: Path) -> None:
    """Download until the file is complete, as long as each attempt brings bytes."""
    part = target.with_name(f"{target.name}.part")
    for _ in range(MAX_ATTEMPTS):
        before = part.stat().st_size if part.exists() else 0
        try:
            _receive(name, url, part)
        except (TimeoutError, ConnectionError, HTTPException, _InterruptedError) as error:
            fault = error
            if (part.stat().st_size if part.exists() else 0) <= before:
                break
        else:
            part.replace(target)
            _tag_file(part).unlink(missing_ok=True)
            return
    raise _InterruptedError(str(fault)) from fault


def _receive(name: str, url: str, part: Path) -> None:
    """Append to a part what it lacks. A part of another version of the file is replaced."""
    size = part.stat().st_size if part.exists() else 0
    tag = ""
    with suppress(OSError):
        tag = _tag_file(part).read_text("utf-8")
    request = Request(url, headers={"User-Agent": "disbench"})
    if size and tag:
        request.add_header("Range", f"bytes={size}-")
        request.add_header("If-Range", tag)
    try:
        response = urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        if error.code != 416:  # the part is longer than the file
            raise
        part.unlink()
        raise _InterruptedError("the file is shorter than what has arrived") from None
    with response:
        resumes = response.status == 206
        _tag_file(part).write_text(response.headers.get("ETag") or "", "utf-8")
        done = size if resumes else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        of_total = f" of {total / 1e6:.0f} MB" if total else ""
        announce_once(f"{name}: downloading, {done / 1e6:.0f} MB{of_total}")
        pacer = LinePacer()
        with part.open("ab" if resumes else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                done += len(chunk)
                if pacer.is_due(done, total or 0):
                    announce_once(f"{name}: downloading, {done / 1e6:.0f} MB{of_total}")
    if total is not None and done < total:
        raise _InterruptedError(f"{done} of {total} bytes have arrived")


def _tag_file(part: Path) -> Path:
    """Return the file that holds the ETag of what a part is from."""
    return part.with_name(f"{part.name}.etag")
