"""The splits of DIS5K in a folder: `DIS5K/DIS-{TR,VD,TE1..TE4}/{im,gt}` as published, or another pair of folders.

A split is complete, or it is an error: a subset is scored as a whole or not at all.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from disbench.data.dataset import Sample
from disbench.data.file_lists import Files, describe_no_folder, list_names
from disbench.data.recognition import Part, find_split_folders, recognize_part
from disbench.errors import InputError

EXPECTED_LAYOUT = "give --data a DIS5K folder or one with im/ and gt/"
_OTHERS = "; docs/data.md lists other layouts"


def read_layout(
    root: Path, names: Sequence[str], counts: Mapping[str, int], *, images: bool = True
) -> dict[str, tuple[Sample, ...]]:
    """Read splits of a folder that is laid out like DIS5K.

    Args:
        root: the folder with the splits, or its parent.
        names: the splits to read.
        counts: images of every split of the data set, by split.
        images: require images. False: only truths.

    Returns:
        Samples by split.

    Raises:
        InputError: if a split is missing or incomplete.
    """
    if not root.is_dir():
        raise InputError(f"{root}: {describe_no_folder(root)}; {EXPECTED_LAYOUT}{_OTHERS}")
    root = find_tree(root)
    folders = find_split_folders(root)
    if not folders:
        below = list_names(sorted(path.name for path in root.iterdir() if path.is_dir())) or "none"
        raise InputError(
            f"{root}: its folders ({below}) are no known layout, and it has no split of DIS5K; "
            f"{EXPECTED_LAYOUT}{_OTHERS}"
        )
    splits = {}
    for name in names:
        folder = folders.get(name, root / name)
        if not folder.is_dir():
            present = ", ".join(n for n in counts if n in folders)
            raise InputError(f"{folder}: no such folder; {root} has {present}; {EXPECTED_LAYOUT}{_OTHERS}")
        splits[name] = check_count(name, find_part(folder, images=images).read(name), counts[name], folder)
    return splits


def find_tree(root: Path) -> Path:
    """Return the folder with the splits of DIS5K: `root`, or DIS5K/ in it."""
    is_parent = not find_split_folders(root) and (root / "DIS5K").is_dir()
    return root / "DIS5K" if is_parent else root


def find_part(folder: Path, *, images: bool = True) -> Part:
    """Find the files of one split: those in im/ and gt/, or another layout; im/ and gt/ where none is recognised."""
    standard = Part(images=Files(folder=folder / "im") if images else None, truths=Files(folder=folder / "gt"))
    if (folder / "gt").is_dir() and (not images or (folder / "im").is_dir()):
        return standard
    return recognize_part(folder, images=images) or standard


def check_count(name: str, samples: tuple[Sample, ...], count: int, place: Path) -> tuple[Sample, ...]:
    """Return the samples of a split of a published data set. InputError for another number than is published."""
    if len(samples) != count:
        raise InputError(
            f"{place}: {len(samples)} images where {name} has {count}; complete it, "
            f"or pass the folder itself as a data set: --data {place}"
        )
    return samples
