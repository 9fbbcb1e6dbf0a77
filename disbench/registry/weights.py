"""Find the weights that a card names: in the cache, on the Hugging Face hub, at an address, or by hand."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from disbench.data.training import describe_training
from disbench.errors import InputError
from disbench.registry.card import Card, Download
from disbench.registry.discovery import cli_arguments, scan_models
from disbench.registry.external import KINDS, WEIGHTS_SUFFIXES
from disbench.registry.hub import download_from_hub
from disbench.registry.url_files import download_url, file_location
from disbench.registry.weights_digests import SUFFIX, check_downloads, read_record, record_of_hub, record_of_url
from disbench.system.network import is_offline
from disbench.system.progress import announce_once

HUB = "https://huggingface.co/"
_SUFFIXES = {*WEIGHTS_SUFFIXES, *KINDS} - {".py"}
_HUB = re.compile(
    r"https?://(?:huggingface\.co|hf\.co)/(?!datasets/|spaces/)([\w.-]+/[\w.-]+)"
    r"(?:/tree/main)?/?(?:/(?:resolve|blob)/main/([^?]+))?(?:\?.*)?"
)


def hub_source(entry: Download) -> tuple[str, str] | None:
    """Return (OWNER/NAME, file or "") of the first address on the Hugging Face hub, None without one."""
    match = _HUB.fullmatch(hub_url(entry) or "")
    return (match[1], unquote(match[2] or "")) if match else None


def hub_url(entry: Download) -> str | None:
    """Return the first address on the Hugging Face hub, None without one."""
    return next((url for url in entry.urls if _HUB.fullmatch(url)), None)


def direct_url(entry: Download) -> str | None:
    """Return the first address that is a file, not a page, None without one."""
    return next((url for url in entry.urls if not _HUB.fullmatch(url) and _is_file(url)), None)


def is_fetchable(entry: Download) -> bool:
    """Return whether disbench can download the weights, or ships them."""
    return not entry.urls or hub_source(entry) is not None or direct_url(entry) is not None


def list_records(entry: Download) -> list[tuple[str, str]]:
    """List the files of an entry that were downloaded, and the SHA-256 of their first download."""
    if source := hub_source(entry):
        repository, file = source
        root = record_of_hub(repository, "x").parent
        records = [record_of_hub(repository, file)] if file else sorted(root.rglob(f"*{SUFFIX}"))
    elif url := direct_url(entry):
        records = [record_of_url(url)]
        root = records[0].parent
    else:
        return []
    digests = [(path.relative_to(root).as_posix().removesuffix(SUFFIX), read_record(path)) for path in records]
    return [(file, digest) for file, digest in digests if digest]


def find_entry(card: Card, weights: str | None) -> Download | None:
    """Find the entry of a card that --weights names. None for a path that exists, and for anything else.

    Without --weights, it is that of the weights that the card uses then, if any.
    """
    if weights is None:
        return card.default_weights
    entry = next((entry for entry in card.weights if entry.name == weights), None)
    return None if entry is None or Path(entry.name).exists() else entry


def find_download(card: Card, weights: str | None) -> Download | None:
    """Find the entry of a card that describes weights: by name or address, or by digest."""
    if weights is None:
        return card.default_weights
    path = Path(weights)
    names = {weights, path.name, path.stem}
    owner, name, *parts = [*weights.split("/"), ""]
    repository, file = f"{owner}/{name}", "/".join(filter(None, parts))
    for entry in card.weights:
        # An entry without a file is that of all files of its repository.
        is_source = hub_source(entry) in [(repository, ""), (repository, file)]
        if entry.name in names or HUB + weights in entry.urls or is_source:
            return entry
    for kind in ("sha256", "md5"):
        entries = {getattr(entry, kind).lower(): entry for entry in card.weights if getattr(entry, kind)}
        if entries and path.is_file():
            with path.open("rb") as opened:
                digest = hashlib.file_digest(opened, kind).hexdigest()
            if digest in entries:
                return entries[digest]
    return None


def find_options(card: Card, weights: str | None) -> dict[str, str]:
    """Return the options that weights need, by their card: none for weights that it does not describe."""
    if not any(entry.options for entry in card.weights):  # without a look at the file
        return {}
    entry = find_download(card, weights)
    return dict(entry.options) if entry else {}


def add_options(card: Card, weights: str | None, given: Mapping[str, str]) -> dict[str, str]:
    """Add the options that weights need to those that a user gives, which come first, and announce them."""
    needed = {key: text for key, text in find_options(card, weights).items() if key not in given}
    if needed:
        listed = " ".join(f"--option {key}={text}" for key, text in needed.items())
        announce_once(f"{card.title}: with {listed}, as its card says of these weights")
    return {**needed, **given}


def check_fetchable(card: Card, weights: str | None) -> None:
    """Raise InputError for weights of a card that disbench cannot download, and explain how to get them."""
    entry = find_entry(card, weights)
    if entry and card.is_shipped and not is_fetchable(entry):
        places = " or ".join(entry.urls)
        raise InputError(
            f"{weights}: no such file; get {entry.name} by hand from {places}, in a browser, which disbench cannot "
            "do; then give its path: --weights FILE"
        )


def resolve_weights(card: Card, weights: str | None) -> str | None:
    """Return the path or the Hugging Face id of weights, and download a single file that the card names.

    Args:
        card: the model.
        weights: a name of the card, or anything else that --weights takes, which is returned as it is.

    Returns:
        None for weights that disbench ships, and for none.

    Raises:
        InputError: by-hand weights, a download that fails, or that is not what the card means.
    """
    entry = find_entry(card, weights)
    if entry is None:
        return weights
    check_fetchable(card, weights)
    if not entry.urls:
        return None if card.is_shipped else weights
    if source := hub_source(entry):
        repository, file = source
        if file:
            return str(fetch_from_hub(entry.name, repository, file, ()))
        return repository if card.is_shipped else weights
    if url := direct_url(entry):
        if not file_location(url).is_file() and not is_offline():
            terms = f"licence: {entry.license or 'not stated'}; trained on: {describe_training(entry.trained_on)}"
            announce_once(f"{entry.name}: to be downloaded from {url} ({entry.size or 'size not known'}; {terms})")
        try:
            path = download_url(entry.name, url)
        except InputError as error:
            others = ", ".join(other for other in entry.urls if other != url)
            also = f"; other places: {others}" if others else ""
            raise InputError(f"{error}{also}; see `disbench models {cli_arguments(card)}`") from None
        check_downloads(entry.name, entry, {record_of_url(url): path})
        return str(path)
    return weights


def fetch_from_hub(name: str, repository: str, file: str | None, patterns: Sequence[str]) -> Path:
    """Download from the hub as `download_from_hub`, and check the files of a repository that a card names."""
    path = download_from_hub(name, repository, file, patterns)
    if entry := _find_card_entry(repository, file or ""):
        paths = {file: path} if file else _list_files(path, patterns)
        check_downloads(name, entry, {record_of_hub(repository, key): value for key, value in paths.items()})
    return path


def _find_card_entry(repository: str, file: str) -> Download | None:
    """Find what a card states of a repository. An entry of the whole repository states nothing of one file of it."""
    entries = [entry for card in scan_models()[0].values() for entry in card.weights]
    by_source = {source: entry for entry in entries if (source := hub_source(entry))}
    if entry := by_source.get((repository, file)):
        return entry
    return Download(name=repository) if (repository, "") in by_source else None


def _list_files(folder: Path, patterns: Sequence[str]) -> dict[str, Path]:
    paths = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return {path.relative_to(folder).as_posix(): path for path in sorted(paths)}


def _is_file(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # text that is no address
        return False
    is_page = "/blob/" in parts.path or parts.hostname in {"drive.google.com", "pan.baidu.com"}
    return parts.scheme in {"http", "https"} and Path(parts.path).suffix.lower() in _SUFFIXES and not is_page
