"""Recognise the layout of a folder: which files are the images and the truths of which subset."""

import itertools
import os
from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from disbench.data.dataset import SPLIT_COUNTS, Sample
from disbench.data.file_lists import Files, is_ignored, list_names
from disbench.data.headers import EXTENSIONS
from disbench.data.pairing import read_pairs
from disbench.data.parquet import find_shards, read_shards
from disbench.data.patterns import find_folder_pairs, find_mixed
from disbench.errors import InputError

TRUTHS_ONLY = "a folder of ground truths"


@dataclass(frozen=True, kw_only=True)
class Part:
    """The files of one subset: images and truths, or parquet files that hold both.

    Attributes:
        truths: the ground truths.
        images: the images. None where only truths are looked for.
        shards: the parquet files, in place of the other two.
        inputs: name of an additional input -> its folder or file.
    """

    truths: Files
    images: Files | None = None
    shards: tuple[Path, ...] = ()
    inputs: dict[str, Path | str] = field(default_factory=dict)

    def read(self, name: str) -> tuple[Sample, ...]:
        """Pair and check the files as the samples of the subset `name`."""
        if self.shards:
            return read_shards(name, self.shards)
        return read_pairs(name, self.images, self.truths)

    def folders(self) -> set[Path]:
        """Return the folders of the files."""
        return {files.folder for files in (self.images, self.truths) if files}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One way to read a folder: the layout in words, and subset -> files. "" stands for the name of the folder."""

    layout: str
    parts: dict[str, Part]


def recognize_folder(root: Path, *, images: bool = True, skipped: Collection[str] = ()) -> Reading | None:
    """Recognise the layout of a data set, or of a folder of data sets.

    Args:
        root: the folder.
        images: require images. False: only truths.
        skipped: names of folders in it that belong to another data set.

    Returns:
        The reading; its subsets have names, unless it has only one. None for an unknown layout.

    Raises:
        InputError: for a folder that can be read in several ways, and for two subsets of the same name.
    """
    readings = _list_readings(root, images=images)
    used = {folder for reading in readings for part in reading.parts.values() for folder in part.folders()}
    below = _recognize_below(root, images=images, skipped={*skipped, *(folder.name for folder in used)})
    reading = _choose(root, [*readings, *([below] if below else [])])
    if reading is None and not images and _has_only_images(root):
        return Reading(layout=TRUTHS_ONLY, parts={"": Part(truths=Files(folder=root))})
    return reading


def require_no_other_pair(root: Path) -> None:
    """Raise InputError for a folder with im/ and gt/ that has another pair of folders, too."""
    pairs = [pair for pair in find_folder_pairs(_list_names(root)[0]) if not {"im", "gt"} & {*pair}]
    layouts = ["im/ and gt/", *(f"{pair.images}/ and {pair.truths}/" for pair in pairs)]
    _choose(root, [Reading(layout=layout, parts={}) for layout in layouts])


def recognize_part(folder: Path, *, images: bool = True) -> Part | None:
    """Recognise the files of one subset. None for an unknown layout, and for several subsets."""
    reading = _choose(folder, _list_readings(folder, images=images))
    return next(iter(reading.parts.values())) if reading and len(reading.parts) == 1 else None


def _choose(folder: Path, readings: Sequence[Reading]) -> Reading | None:
    if len(readings) > 1:
        layouts = "; ".join(f"({number}) {reading.layout}" for number, reading in enumerate(readings, 1))
        raise InputError(
            f"{folder}: can be read in {len(readings)} ways: {layouts}; give the folders by --images and --truth, or "
            "describe the data set in a TOML file (docs/data.md)"
        )
    return readings[0] if readings else None


def _list_readings(folder: Path, *, images: bool) -> list[Reading]:
    """List the ways to read the files of a folder, and those of pairs of folders in it."""
    folders, files = _list_names(folder)
    readings = []
    by_tag: dict[str, list] = {}
    for pair in find_folder_pairs(folders, images=images):
        by_tag.setdefault(pair.tag, []).append(pair)
    for pairs in itertools.product(*by_tag.values()) if by_tag else ():
        parts = {
            pair.tag: Part(
                images=Files(folder=folder / pair.images) if pair.images else None,
                truths=Files(folder=folder / pair.truths),
            )
            for pair in pairs
        }
        layout = ", ".join(" and ".join(f"{name}/" for name in (pair.images, pair.truths) if name) for pair in pairs)
        readings.append(Reading(layout=layout, parts=parts if len(parts) > 1 else {"": next(iter(parts.values()))}))
    for mixed in find_mixed(files):
        part = Part(
            images=Files(folder=folder, **mixed.images) if images else None,
            truths=Files(folder=folder, **mixed.truths),
        )
        readings.append(Reading(layout=mixed.layout, parts={"": part}))
    if shards := find_shards(folder):
        parts = {
            name: Part(truths=Files(folder=paths[0].parent), shards=paths) for name, paths in sorted(shards.items())
        }
        readings.append(Reading(layout="parquet files", parts=parts))
    return readings


def _recognize_below(root: Path, *, images: bool, skipped: Set[str]) -> Reading | None:
    """Recognise a folder of data sets, or of folders of data sets. A data set is not looked into further."""
    parts: dict[str, Part] = {}
    layouts: dict[str, None] = {}
    waiting = [(root / name, 1) for name in _list_names(root)[0] if name not in skipped]
    while waiting:
        folder, depth = waiting.pop(0)
        reading = _choose(folder, _list_readings(folder, images=images))
        if reading is None:
            below, _ = _list_names(folder)
            waiting += [(folder / name, depth + 1) for name in below if depth < 2]
            continue
        layouts[reading.layout] = None
        for tag, part in reading.parts.items():
            name = f"{folder.name}-{tag}" if tag and len(reading.parts) > 1 else folder.name
            if name.casefold() in {other.casefold() for other in parts}:
                raise InputError(f"{root}: has two data sets called {name}; give --data the folder that holds one")
            parts[name] = part
    if not parts:
        return None
    layout = f"{len(parts)} subset{'s' * (len(parts) > 1)} ({list_names(sorted(parts))}), of {list_names([*layouts])}"
    return Reading(layout=layout, parts=dict(sorted(parts.items())))


def find_split_folders(root: Path) -> dict[str, Path]:
    """Find the folders of the splits of DIS5K, whatever their case, with "_" for "-" too."""
    names, _ = _list_names(root)
    splits = {name.upper().replace("_", "-"): root / name for name in names}
    splits |= {name: root / name for name in names}
    return {split: splits[split] for split in SPLIT_COUNTS if split in splits}


def _list_names(folder: Path) -> tuple[list[str], list[str]]:
    """List the names of folders and of files in a folder, sorted; none for what is not a readable folder."""
    try:
        with os.scandir(folder) as entries:
            is_folder = {entry.name: entry.is_dir() for entry in entries if not is_ignored(entry.name)}
    except OSError:
        return [], []
    names = sorted(is_folder)
    return [name for name in names if is_folder[name]], [name for name in names if not is_folder[name]]


def _has_only_images(folder: Path) -> bool:
    folders, files = _list_names(folder)
    return bool(files) and not folders and all(Path(name).suffix.lower() in EXTENSIONS for name in files)
