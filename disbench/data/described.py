"""Data sets that a TOML file describes, for layouts that are not recognised or can be read in several ways.

docs/data.md has an example.
"""

from pathlib import Path
from typing import Literal

import msgspec

from disbench.data.dataset import INPUTS, TRUTH
from disbench.data.file_lists import Files
from disbench.data.recognition import Part
from disbench.errors import InputError, require_utf8
from disbench.system.documents import read_toml

_FAULT = "describes no data set"


class _Split(msgspec.Struct, forbid_unknown_fields=True):
    truths: str
    images: str | None = None
    image_suffix: str = ""
    truth_suffix: str = ""
    depth: str | None = None
    prompt: str | None = None
    box: str | None = None


class _Description(msgspec.Struct, forbid_unknown_fields=True):
    title: str
    splits: dict[str, _Split]
    truth_kind: Literal["binary", "alpha"] = "binary"


def read_description(path: Path, *, images: bool = True) -> tuple[str, str, dict[str, Part]]:
    """Read the TOML file of a data set.

    Args:
        path: the file. Folders in it are relative to its folder.
        images: require images. False: only truths.

    Returns:
        The title, the kind of the truths, and split -> files.

    Raises:
        InputError: for a file that is not such a description.
    """
    table = read_toml(path, _FAULT)
    try:
        description = msgspec.convert(table, _Description)
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {_FAULT} ({error}); docs/data.md shows one") from None
    if not description.title.isprintable() or not description.title.strip():
        raise InputError(f"{path}: its title has no printable characters; give the data set a title")
    parts: dict[str, Part] = {}
    for name, split in description.splits.items():
        if alike := [other for other in parts if other.casefold() == name.casefold()]:
            raise InputError(f"{path}: the splits {alike[0]} and {name} differ only in case; give one another name")
        if not name.strip(". ") or not name.isprintable() or any(c in name for c in "/\\,"):
            raise InputError(f"{path}: {name!r} cannot name a split, which names a folder too; use letters and digits")
        if images and split.images is None:
            raise InputError(f"{path}: the split {name} has no images; add the key images")
        parts[name] = Part(
            truths=_make_files(path, split.truths, split.truth_suffix),
            images=_make_files(path, split.images, split.image_suffix) if images and split.images else None,
            inputs={
                key: place if place == TRUTH else _make_place(path, place)
                for key in INPUTS
                if (place := getattr(split, key)) is not None
            },
        )
    if not parts:
        raise InputError(f"{path}: {_FAULT} (it has no splits); docs/data.md shows one")
    return require_utf8(description.title), description.truth_kind, parts


def _make_files(path: Path, place: str, suffix: str) -> Files:
    """Make the files of a folder, or of a folder and a glob."""
    target = _make_place(path, place)
    if any(c in target.name for c in "*?[") and not target.is_dir():
        return Files(folder=target.parent, patterns=(target.name,), suffix=suffix)
    return Files(folder=target, suffix=suffix)


def _make_place(path: Path, place: str) -> Path:
    if not place.strip() or "\0" in place:
        raise InputError(f"{path}: {place!r} is not a folder; give a folder, or a folder and a glob")
    return path.parent / place
