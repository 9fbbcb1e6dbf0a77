"""The weights in the caches: what cards name, in the cache of Hugging Face and in disbench's own."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from disbench.data.digest_cache import DigestCache
from disbench.registry.discovery import scan_models
from disbench.registry.url_files import VERSION, file_location
from disbench.registry.weights import direct_url, hub_source
from disbench.registry.weights_digests import SUFFIX
from disbench.system.caches import cache_folder
from disbench.system.variables import check_hub_variables


@dataclass(frozen=True, kw_only=True)
class CachedFile:
    """A downloaded file of weights.

    Attributes:
        name: the name that --weights takes; "" for a file that no card names.
        models: the models whose cards name it.
        file: its path in the repository, or its name.
        bytes: its size.
        sha256: its digest.
        path: where it is.
    """

    name: str
    models: tuple[str, ...]
    file: str
    bytes: int
    sha256: str
    path: str


def list_cached_weights() -> list[CachedFile]:
    """List the downloaded files, the largest first for each name. Connects to nothing."""
    entries = [(model, entry) for model, card in scan_models()[0].items() for entry in card.weights]
    rows: dict[Path, tuple[str, list[str], str]] = {}
    for model, entry in entries:
        if source := hub_source(entry):
            files = _list_hub_files(*source)
        elif url := direct_url(entry):
            path = file_location(url)
            files = iter([(path.name, path)] if path.is_file() else [])
        else:
            continue
        for file, path in files:
            rows.setdefault(path, (entry.name, [], file))[1].append(model)
    for path in _list_own_files():
        rows.setdefault(path, ("", [], path.name))
    cache = DigestCache({path.parent for path in rows})
    listed = [
        CachedFile(
            name=name,
            models=tuple(dict.fromkeys(models)),
            file=file,
            bytes=path.stat().st_size,
            sha256=cache.hash_file(path),
            path=str(path),
        )
        for path, (name, models, file) in rows.items()
    ]
    cache.save()
    return sorted(listed, key=lambda row: (row.name, -row.bytes, row.path))


def _list_hub_files(repository: str, file: str) -> Iterator[tuple[str, Path]]:
    check_hub_variables()
    try:
        from huggingface_hub import constants
    except ImportError:  # then nothing was downloaded by disbench
        return
    snapshots = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "snapshots"
    for snapshot in sorted(snapshots.glob("*")):
        paths = [snapshot / file] if file else sorted(snapshot.rglob("*"))
        yield from ((path.relative_to(snapshot).as_posix(), path) for path in paths if path.is_file())


def _list_own_files() -> list[Path]:
    folder = cache_folder("weights", VERSION)
    files = (path for path in folder.glob("*/*") if path.parent.name != "hub" and path.is_file())
    return sorted(path for path in files if not path.name.endswith((SUFFIX, ".part", ".etag")))
