"""Pair images and ground truths by stem, whatever the extension and case.

One error names every missing, extra, duplicate, unreadable or wrongly sized file of a subset.
"""

from pathlib import Path

from disbench.data.dataset import Sample
from disbench.data.file_lists import Files, check_sizes, list_by_stem, raise_faults
from disbench.errors import InputError


def read_pairs(split: str, images: Files | Path | None, truths: Files | Path) -> tuple[Sample, ...]:
    """Pair images and truths by stem.

    Args:
        split: name of the split.
        images: the images; a folder stands for all files in it. None: only truths are read.
        truths: the ground truths, likewise.

    Returns:
        Samples, sorted by name.

    Raises:
        InputError: for faults, among them images and truths of different sizes. One error names them all.
    """
    truths = Files(folder=truths) if isinstance(truths, Path) else truths
    images = Files(folder=images) if isinstance(images, Path) else images
    truth_files, faults = list_by_stem(truths)
    image_files: dict[str, Path] = {}
    if images is not None:
        image_files, image_faults = list_by_stem(images)
        for kind, names in image_faults.items():
            faults.setdefault(kind, []).extend(names)
        faults["without a truth"] = [image_files[key].name for key in image_files.keys() - truth_files.keys()]
        faults["without an image"] = [truth_files[key].name for key in truth_files.keys() - image_files.keys()]
    samples = []
    for key, truth in sorted(truth_files.items()):
        image = image_files.get(key)
        if images is not None and image is None:
            continue
        check_sizes(image, truth, faults)
        samples.append(Sample(split, truths.strip(truth.stem), image, truth))
    raise_faults(_name_place(images, truths), faults)
    if not samples:
        raise InputError(f"{truths.folder}: no images in it; give the folder that has them")
    return tuple(samples)


def _name_place(images: Files | None, truths: Files) -> str:
    """Name the folder of a subset: that of its two folders, or both where they lie apart."""
    if images is None or images.folder == truths.folder:
        return str(truths.folder)
    if images.folder.parent == truths.folder.parent:
        return str(truths.folder.parent)
    return f"{images.folder} with {truths.folder}"
