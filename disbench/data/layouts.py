"""Folders of images, truths and maps: DIS5K as published, `DIS5K/DIS-{TR,VD,TE1..TE4}/{im,gt}`, and any like it.

Files are paired by stem, whatever the extension and case. One error names every missing, extra, duplicate, unreadable
or wrongly sized file of a split: a subset is scored as a whole or not at all.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from disbench.data.dataset import Sample, stem_key
from disbench.data.headers import read_header
from disbench.data.images import EXTENSIONS
from disbench.errors import InputError
from disbench.system.files import require_regular_file

MAX_LISTED = 8  # files named for each kind of fault before "and N more"
REASONS = "reasons"  # why files are unreadable, among the faults
WRONG_SIZE = "of another size than the truth"
ONE_SIDE = "with only one side of another length, which this protocol does not resize"
_EXPECTED_LAYOUT = "give --data a DIS5K folder or one with im/ and gt/"
_LEFTOVERS = {"Thumbs.db", "desktop.ini"}  # of file managers
Faults = dict[str, list[str]]  # kind of fault -> names of files


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
        raise InputError(f"{root}: no such folder; {_EXPECTED_LAYOUT}")
    if not any((root / name).is_dir() for name in counts) and (root / "DIS5K").is_dir():
        root = root / "DIS5K"
    splits = {}
    for name in names:
        folder = root / name
        if not folder.is_dir():
            present = ", ".join(n for n in counts if (root / n).is_dir()) or "no split of DIS5K"
            raise InputError(f"{folder}: no such folder; {root} has {present}; {_EXPECTED_LAYOUT}")
        samples = read_pairs(name, folder / "im" if images else None, folder / "gt")
        if len(samples) != counts[name]:
            raise InputError(
                f"{folder}: {len(samples)} images where {name} has {counts[name]}; complete it, "
                f"or pass the folder itself as a data set: --data {folder}"
            )
        splits[name] = samples
    return splits


def read_pairs(split: str, image_dir: Path | None, truth_dir: Path) -> tuple[Sample, ...]:
    """Pair the files of two folders by stem.

    Args:
        split: name of the split.
        image_dir: folder of images. None: only truths are read.
        truth_dir: folder of ground truths.

    Returns:
        Samples, sorted by name.

    Raises:
        InputError: for faults, among them images and truths of different sizes. One error names them all.
    """
    truths, faults = _files_by_stem(truth_dir)
    images: dict[str, Path] = {}
    if image_dir is not None:
        images, image_faults = _files_by_stem(image_dir)
        for kind, files in image_faults.items():
            faults.setdefault(kind, []).extend(files)
        faults["without a truth"] = [images[key].name for key in images.keys() - truths.keys()]
        faults["without an image"] = [truths[key].name for key in truths.keys() - images.keys()]
    samples = []
    for key, truth in sorted(truths.items()):
        image = images.get(key)
        if image_dir is not None and image is None:
            continue
        _check_sizes(image, truth, faults)
        samples.append(Sample(split, truth.stem, image, truth))
    _raise_faults(f"{truth_dir.parent if image_dir else truth_dir}", faults)
    if not samples:
        raise InputError(f"{truth_dir}: no images in it; give the folder that has them")
    return tuple(samples)


def match_maps(
    samples: Sequence[Sample], folder: Path, *, resize: str | None = None, kind: str = "maps"
) -> tuple[dict[str, Path], int]:
    """Match prediction maps, or trimaps, to the samples of one split.

    How a map is resized changes scores. A map of another size than its truth is therefore a fault, unless the protocol
    resizes maps.

    Args:
        samples: samples of one split.
        folder: folder of maps, one for every sample and no others.
        resize: how a protocol resizes maps of another size; see EvalProtocol. None: they are refused.
        kind: "maps" or "trimaps", for messages.

    Returns:
        Map files by name, and the number of maps to resize.

    Raises:
        InputError: for faults. One error names them all.
    """
    maps, faults = _files_by_stem(folder)
    expected = {stem_key(sample.name): sample for sample in samples}
    faults["missing"] = [expected[key].name for key in expected.keys() - maps.keys()]
    faults["extra"] = [maps[key].name for key in maps.keys() - expected.keys()]
    for key in expected.keys() & maps.keys():
        _check_sizes(maps[key], expected[key].truth, faults)
    to_resize = set(faults.pop(WRONG_SIZE, [])) if resize else set()
    if resize == "opencv-bilinear-both":
        others = [key for key, path in maps.items() if path.name in to_resize]
        faults[ONE_SIDE] = [maps[key].name for key in others if _share_one_side(maps[key], expected[key].truth)]
    # The message names the data set, because the user may not have given one.
    title = f"{folder} as {kind} of {samples[0].truth.parent}"
    _raise_faults(title, faults, _resize_hint() if WRONG_SIZE in faults and kind == "maps" else "")
    return {sample.name: maps[key] for key, sample in expected.items()}, len(to_resize)


def _raise_faults(title: str, faults: Mapping[str, list[str]], hint: str = "") -> None:
    counted = {kind: names for kind, names in faults.items() if names and kind != REASONS}
    lines = [f"{len(names)} {kind} ({_list_names(sorted(names))})" for kind, names in counted.items()]
    if lines:
        lines += sorted(faults.get(REASONS, []))[:MAX_LISTED]
        raise InputError(
            f"{title}: {'; '.join(lines)}. A subset is scored as a whole or not at all; fix or remove these files{hint}"
        )


def _resize_hint() -> str:
    from disbench.metrics.protocols import PROTOCOLS  # only an error needs all measures

    names = ", ".join(name for name, protocol in PROTOCOLS.items() if protocol.resize)
    return f", or score with a --protocol that resizes maps: {names}"


def _check_sizes(path: Path | None, truth: Path, faults: Faults) -> None:
    """Add a fault if an image or map has another size than its truth, and one for each unreadable file."""
    sizes = set()
    for file in filter(None, (path, truth)):
        try:
            sizes.add(read_header(file)[1])
        except InputError as error:
            faults.setdefault("unreadable", []).append(_name_with_folder(file))
            _add_reason(file, faults, error)
    if path is not None and len(sizes) > 1:
        faults.setdefault(WRONG_SIZE, []).append(path.name)


def _share_one_side(path: Path, truth: Path) -> bool:
    """Check whether a map has the height or the width of its truth, but not both."""
    (height, width), (truth_height, truth_width) = read_header(path)[1], read_header(truth)[1]
    return (height == truth_height) != (width == truth_width)


def _add_reason(path: Path, faults: Faults, error: InputError) -> None:
    faults.setdefault(REASONS, []).append(f"{_name_with_folder(path)}: {str(error).removeprefix(f'{path}: ')}")


def _name_with_folder(path: Path) -> str:
    """Return a name that says whether a file is an image, a truth or a map."""
    return f"{path.parent.name}/{path.name}"


def _files_by_stem(folder: Path) -> tuple[dict[str, Path], Faults]:
    """List the image files of a folder by stem_key(), and its faults."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    files: dict[str, Path] = {}
    faults: Faults = {"duplicate": [], "not an image": [], "whose name is not UTF-8": []}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _LEFTOVERS:
            continue
        if path.suffix.lower() not in EXTENSIONS or not path.is_file():
            faults["not an image"].append(path.name)
            try:
                require_regular_file(path)  # says that it is a broken link, a pipe or a device
            except InputError as error:
                _add_reason(path, faults, error)
        elif any("\ud800" <= c <= "\udfff" for c in path.name):  # how Python shows bytes that do not decode
            faults["whose name is not UTF-8"].append(path.name)
        elif files.setdefault(stem_key(path.stem), path) is not path:
            faults["duplicate"].append(path.name)
    subfolders = [name for name in faults["not an image"] if (folder / name).is_dir()]
    if subfolders and not files:  # otherwise every file would be reported as missing
        raise InputError(
            f"{folder}: no images in it, but folders ({_list_names(subfolders)}); give the one that has them"
        )
    return files, faults


def _list_names(names: list[str]) -> str:
    listed = ", ".join(names[:MAX_LISTED])
    more = len(names) - MAX_LISTED
    return f"{listed} and {more} more" if more > 0 else listed
