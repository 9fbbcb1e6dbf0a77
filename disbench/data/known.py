"""The published data sets that disbench knows by name: splits, counts, layout, licence and citation."""

import functools
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from disbench.errors import InputError, suggest_names

TABLE = Path(__file__).with_name("known.toml")


class KnownSplit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A split of a published data set; `folders` are names under which it is shared. A count of None is unknown."""

    name: str
    count: int | None = None
    folders: tuple[str, ...] = ()


class KnownSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A published data set. Empty fields are unknown.

    Attributes:
        task: the task that it was published for.
        truth_kind: "binary", or "alpha" for soft ground truths.
        layout: the folders or names, as they are shared.
        splits: its splits.
        homepage: the page that leads to the download.
        sources: pages that the facts are from.
        citation: the paper.
        doi: the DOI of the paper.
        licence: the terms of use, as the homepage or another source has them.
        total: the number of all images, where it is known but the splits are not.
        other_counts: numbers of images under which the data set is shared too.
        digests: split -> digest of `disbench data freeze`.
    """

    task: str
    truth_kind: Literal["binary", "alpha"]
    layout: str
    splits: tuple[KnownSplit, ...]
    homepage: str
    sources: tuple[str, ...]
    citation: str = ""
    doi: str = ""
    licence: str = ""
    total: int | None = None
    other_counts: tuple[int, ...] = ()
    digests: dict[str, str] = {}

    @property
    def counts(self) -> set[int]:
        """The numbers of images that a folder of this name may have; empty where one of them is unknown."""
        counts = [split.count for split in self.splits if split.count is not None]
        if len(counts) < len(self.splits):
            return set()
        return {*counts, sum(counts), *self.other_counts}


@functools.cache
def list_known() -> dict[str, KnownSet]:
    """List name -> data set."""
    return msgspec.convert(tomllib.loads(TABLE.read_text("utf-8")), dict[str, KnownSet])


def get_known(name: str) -> tuple[str, KnownSet]:
    """Return name and facts of a published data set, by its name or that of a split. InputError for another name."""
    title = _find_title(name)
    owners = [other for other, facts in list_known().items() if name in [split.name for split in facts.splits]]
    if title is None and len(owners) == 1:
        title = owners[0]
    if title is not None:
        return title, list_known()[title]
    raise InputError(f"no published data set {name!r} is known; {suggest_names(name, list_known())}")


def find_known(folder: str) -> KnownSet | None:
    """Find the published data set that a folder is named after, or after a split of it."""
    title = _find_title(folder)
    return None if title is None else list_known()[title]


def find_counts(folder: str) -> set[int]:
    """Find the numbers of images that a folder with the name of a published data set may have.

    Args:
        folder: name of a data set or of a split, as folders have it.

    Returns:
        The numbers; empty for any other name, and where they are unknown.
    """
    key = normalise_name(folder)
    for title, facts in list_known().items():
        for split in facts.splits:
            if split.count is not None and key in map(normalise_name, split.folders):
                return {split.count}
        if key == normalise_name(title):
            return facts.counts
    return set()


def normalise_name(name: str) -> str:
    """Return the form in which names of data sets and splits are compared."""
    return name.casefold().replace("_", "-")


def _find_title(name: str) -> str | None:
    key = normalise_name(name)
    for title, facts in list_known().items():
        folders = (folder for split in facts.splits for folder in split.folders)
        if key in map(normalise_name, (title, *folders)):
            return title
    return None
