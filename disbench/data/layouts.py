"""DIS5K as published (Qin et al., ECCV 2022): `DIS5K/DIS-{TR,VD,TE1..TE4}/{im,gt}`, and any pair of folders like it.

Files are paired by stem, whatever the extension and case. Every missing, extra, duplicate, unreadable or wrongly sized
file of a split is named in one error: a subset is scored whole or not at all.
"""

from collections.abc import Mapping
from pathlib import Path

from disbench.data.dataset import Sample, stem_key
from disbench.data.images import EXTENSIONS, read_header
from disbench.errors import InputError

MAX_LISTED = 8  # files named per kind of fault before "and N more"
ANOTHER_SIZE = "of another size than the truth"


def read_layout(root: Path, names: tuple[str, ...], counts: Mapping[str, int], images: bool = True):
    """split -> samples of a DIS5K-shaped folder, each split complete. InputError otherwise."""
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give --data a DIS5K folder or one with im/ and gt/")
    if not any((root / name).is_dir() for name in counts) and (root / "DIS5K").is_dir():
        root = root / "DIS5K"
    splits = {}
    for name in names:
        folder = root / name
        if not folder.is_dir():
            here = [n for n in counts if (root / n).is_dir()]
            raise InputError(
                f"{folder}: no such folder; {root} has {', '.join(here) or 'no split of DIS5K'}; "
                "give --data a DIS5K folder or one with im/ and gt/"
            )
        samples = read_pairs(name, folder / "im" if images else None, folder / "gt")
        if len(samples) != counts[name]:
            raise InputError(
                f"{folder}: {len(samples)} images where {name} has {counts[name]}; complete it, "
                f"or pass the folder itself as a data set of its own: --data {folder}"
            )
        splits[name] = samples
    return splits


def read_pairs(split: str, image_dir: Path | None, truth_dir: Path) -> tuple[Sample, ...]:
    """Samples of two folders, paired by stem and sorted by name; sizes must agree. One InputError names every fault."""
    truths, faults = _by_stem(truth_dir)
    images: dict[str, Path] = {}
    if image_dir is not None:
        images, image_faults = _by_stem(image_dir)
        for kind, files in image_faults.items():
            faults.setdefault(kind, []).extend(files)
        faults["without a truth"] = [images[k].name for k in images.keys() - truths.keys()]
        faults["without an image"] = [truths[k].name for k in truths.keys() - images.keys()]
    samples = []
    for key, truth in sorted(truths.items()):
        image = images.get(key)
        if image_dir is not None and image is None:
            continue
        _check_sizes(image, truth, faults)
        samples.append(Sample(split, truth.stem, image, truth))
    raise_faults(f"{truth_dir.parent if image_dir else truth_dir}", faults)
    if not samples:
        raise InputError(f"{truth_dir}: no images in it")
    return tuple(samples)


def match_maps(samples: list[Sample], folder: Path, resizes: bool = False) -> tuple[dict[str, Path], int]:
    """name -> map file for every sample of one split, and no other. One InputError names the rest.

    How a map is resized moves scores, so one of another size than its truth is refused unless the protocol `resizes`;
    then the second that is returned is how many such there are.
    """
    maps, faults = _by_stem(folder)
    wanted = {stem_key(sample.name): sample for sample in samples}
    faults["missing"] = [wanted[k].name for k in wanted.keys() - maps.keys()]
    faults["extra"] = [maps[k].name for k in maps.keys() - wanted.keys()]
    for key in wanted.keys() & maps.keys():
        _check_sizes(maps[key], wanted[key].truth, faults)
    resized = len(faults.pop(ANOTHER_SIZE, [])) if resizes else 0
    where = f"{folder} as maps of {samples[0].truth.parent}"  # which data set that is, the user may not have said
    raise_faults(where, faults, _resizing() if ANOTHER_SIZE in faults else "")
    return {sample.name: maps[key] for key, sample in wanted.items()}, resized


def raise_faults(where: str, faults: Mapping[str, list[str]], hint: str = "") -> None:
    found = [f"{len(names)} {kind} ({_some(sorted(names))})" for kind, names in faults.items() if names]
    if found:
        raise InputError(
            f"{where}: {'; '.join(found)}. A subset is scored whole or not at all: mend or remove these{hint}"
        )


def _resizing() -> str:
    from disbench.metrics.protocols import PROTOCOLS

    return f"; or score by a --protocol that resizes maps: {', '.join(n for n, p in PROTOCOLS.items() if p.resize)}"


def _check_sizes(path: Path | None, truth: Path, faults: dict[str, list[str]]) -> None:
    sizes = set()
    for file in filter(None, (path, truth)):
        try:
            sizes.add(read_header(file)[1])
        except InputError:
            faults.setdefault("unreadable", []).append(f"{file.parent.name}/{file.name}")  # image, truth or map
    if len(sizes) > 1:
        faults.setdefault(ANOTHER_SIZE, []).append(path.name)


def _by_stem(folder: Path) -> tuple[dict[str, Path], dict[str, list[str]]]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    files: dict[str, Path] = {}
    faults: dict[str, list[str]] = {"duplicate": [], "not an image": [], "whose name is not UTF-8": []}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in {"Thumbs.db", "desktop.ini"}:
            continue  # file managers leave these behind
        if path.suffix.lower() not in EXTENSIONS or not path.is_file():
            faults["not an image"].append(path.name)
        elif any("\ud800" <= c <= "\udfff" for c in path.name):  # how Python shows bytes that do not decode
            faults["whose name is not UTF-8"].append(path.name)
        elif files.setdefault(stem_key(path.stem), path) is not path:
            faults["duplicate"].append(path.name)
    below = [name for name in faults["not an image"] if (folder / name).is_dir()]
    if below and not files:  # its files, one by one, would be said to be missing
        raise InputError(f"{folder}: no images in it, but folders ({_some(below)}); give the one that has them")
    return files, faults


def _some(names: list[str]) -> str:
    more = len(names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {more} more" if more > 0 else "")
