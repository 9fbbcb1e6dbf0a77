"""The check that no output of a command damages a data set, a run or another input. All commands that write use it."""

import os
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from disbench.data.data_folders import list_layout_folders
from disbench.data.dataset import SPLIT_COUNTS, DataLocation, resolve_location
from disbench.data.hub import is_remote
from disbench.errors import InputError
from disbench.system.caches import cache_root

if TYPE_CHECKING:
    from disbench.runs.result import Result

PAIR = ("im", "gt")  # the folders of a data set
RUN_PARTS = {"run.json", "scores.parquet", "seconds.parquet", "shards", "masks", "command"}
Identity = tuple[int, int]  # device and inode: links, ".." and a file system's case do not matter


def check_output(out: Path, inputs: Iterable[str | PathLike[str] | None] = (), option: str = "--out") -> None:
    """Check that writing to `out` changes no input, no data set and no run. Links are followed.

    Args:
        out: a file or a folder to write. It need not exist.
        inputs: files and folders that the command reads. None, and what does not exist, are skipped.
        option: the command line option that names the output, for the error message.

    Raises:
        InputError: if `out` is an input or inside one, in im/ or gt/ of a data set, or among the files of a run.
    """
    advice = f"choose another place with {option}"
    places = _list_places(out)
    identities = {identity for place in places if (identity := _identify(place))}
    existing = _identify(out)
    for path in (Path(entry) for entry in inputs if entry):
        identity = _identify(path)
        if identity is None:
            continue
        if identity in identities:
            relation = "inside" if path.is_dir() else "the same file as"
            raise InputError(f"{out}: {relation} {path}, which the command reads; {advice}")
        # A data set may be made of links.
        if existing and path.is_dir() and existing in map(_identify, path.iterdir()):
            raise InputError(f"{out}: a file of {path}, which the command reads; {advice}")
    for place in places:
        folder = place.parent
        pair = [_identify(folder / name) for name in PAIR]
        if all(pair) and _identify(place) in pair:
            raise InputError(f"{out}: inside the data set {folder}; {advice}")
        if place.name in RUN_PARTS and (folder / "run.json").is_file():
            raise InputError(f"{out}: among the files of the run {folder}; {advice}")


def list_data_folders(location: DataLocation) -> Iterator[Path]:
    """List the folders of a data set: where it is, and the folders in it, which may be links.

    Who works inside the folder of a data set may write next to im/ and gt/, as by the default --out.

    Args:
        location: as in disbench.data.location.find_dataset.
    """
    location = resolve_location(location)
    for part in location if isinstance(location, tuple) else (location,):
        if part is None:
            continue
        if str(part) == "mini":
            yield from cache_root().glob("dis-mini-v*")
            continue
        if is_remote(part):
            continue
        root = Path(part)
        yield from list_layout_folders(root)
        if (root / "DIS5K").is_dir() and not any((root / name).is_dir() for name in (*PAIR, *SPLIT_COUNTS)):
            root /= "DIS5K"
        here = Path.cwd()
        for folder in (root, *(root / name for name in SPLIT_COUNTS)):
            yield from (folder / name for name in PAIR)
            if not here.is_relative_to(folder.resolve()):
                yield folder


def list_inputs(results: "Sequence[Result]") -> Iterator[Path]:
    """List what results were read from and scored on: data sets, maps, trimaps, inputs, and evidence of entries."""
    for result in results:
        if result.folder.is_file():
            yield result.folder
        yield from (Path(result.meta[kind]) for kind in ("maps", "trimaps") if kind in result.meta)
        yield from map(Path, result.meta.get("inputs", ()))
        for location in result.meta.get("data", ()):
            yield from list_data_folders(location)


def _list_places(out: Path) -> list[Path]:
    """List `out` and the folders that it is in, as it is named and where its links lead."""
    places: dict[Path, None] = {}
    for path in (Path(os.path.realpath(out)), Path(os.path.realpath(out.parent)) / out.name):
        places |= dict.fromkeys((path, *path.parents))
    return list(places)


def _identify(path: Path) -> Identity | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
