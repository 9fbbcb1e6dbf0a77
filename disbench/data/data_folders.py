"""The folders that hold the files of a data set, for the check that no output is written there."""

from pathlib import Path

from disbench.data.described import read_description
from disbench.data.layouts import find_part
from disbench.data.recognition import Part, find_split_folders, recognize_folder
from disbench.errors import InputError


def list_layout_folders(root: Path) -> list[Path]:
    """List the folders with files of a data set in another layout than DIS5K's. None for what is not recognised."""
    try:
        parts = _list_parts(root, images=True)
    except InputError:  # reported where the data set is read; without images, truths may be readable
        try:
            parts = _list_parts(root, images=False)
        except InputError:
            return []
    return sorted({folder for part in parts for folder in part.folders()})


def _list_parts(root: Path, *, images: bool) -> list[Part]:
    if root.suffix.lower() == ".toml" and root.is_file():
        return list(read_description(root, images=images)[2].values())
    of_dis5k = find_split_folders(root)
    skipped = [folder.name for folder in of_dis5k.values()]
    readings = [recognize_folder(root, images=with_images, skipped=skipped) for with_images in {images, False}]
    parts = [find_part(folder, images=images) for folder in of_dis5k.values()]
    return parts + [part for reading in readings if reading for part in reading.parts.values()]
