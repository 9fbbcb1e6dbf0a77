"""Find the data set that `--data` and `--split` name: DIS5K, the embedded DIS-Mini, or a data set in another layout."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from disbench.data.dataset import (
    OVERALL,
    SPLIT_COUNTS,
    DataLocation,
    DataSet,
    InputSource,
    Sample,
    parse_splits,
    resolve_location,
)
from disbench.data.described import read_description
from disbench.data.hub import HUB_PREFIX, download_dataset
from disbench.data.known import find_counts, find_known
from disbench.data.layouts import EXPECTED_LAYOUT, check_count, find_part, find_tree, read_layout
from disbench.data.pairing import read_pairs
from disbench.data.recognition import (
    TRUTHS_ONLY,
    Part,
    Reading,
    find_split_folders,
    recognize_folder,
    require_no_other_pair,
)
from disbench.data.soft_truths import declare_truths
from disbench.errors import InputError, require_utf8, suggest_names
from disbench.system.progress import Progress, announce_once

DEFAULT_SPLITS = "DIS-TE1..4"


def find_dataset(
    location: DataLocation = None,
    split: str | None = None,
    *,
    images: bool = True,
    progress: Progress | None = None,
) -> DataSet:
    """Find a data set, pair its files and check them.

    Args:
        location: a folder in one of the layouts of docs/data.md, such as DIS5K or one with im/ and gt/; a TOML file
            that describes one; hf:OWNER/NAME; a pair (folder of images, folder of truths), or "mini". Default:
            $DISBENCH_DATA, or ./DIS5K, or DIS-Mini, which is rendered on first use.
        split: splits as in "DIS-TE1..4" or "DIS-VD,DIS-TE2". Default: DIS-TE1..4; of other data sets, all.
        images: require images. False: only truths, to score maps.
        progress: called with (done, total, label) while DIS-Mini is rendered.

    Returns:
        The data set with the selected splits.

    Raises:
        InputError: if anything is missing or unfit. One error names all faults.
    """
    location = resolve_location(location)
    for path in location if isinstance(location, tuple) else (location,):
        require_utf8(Path(path or "").resolve())
    if location == "mini":
        return _find_mini(split, images=images, progress=progress)
    if isinstance(location, tuple):
        image_dir, truth_dir = location
        samples_name = _name_folder(truth_dir)
        _check_single(truth_dir, samples_name, split)
        pairs = read_pairs(samples_name, image_dir if images else None, truth_dir)
        return _make_single(location, samples_name, pairs)
    root, title = _locate(location)
    if _is_description(root):
        title, truth_kind, parts = read_description(root, images=images)
        dataset = _read_parts(_Place(location, root, title, truth_kind), parts, split)
        return replace(dataset, inputs=_gather_inputs(dataset, parts))
    return _find_in_folder(_Place(location, root, title), split, images=images)


def list_subsets(location: DataLocation = None) -> tuple[str, ...]:
    """List the subsets of a data set, without reading them.

    Args:
        location: as in find_dataset.

    Returns:
        Names by which `split` selects them; of a folder with splits of DIS5K only these. Empty for a data set without
        subsets, and for a layout that find_dataset does not read.

    Raises:
        InputError: for a folder that can be read in several ways, and a file that describes no data set.
    """
    location = resolve_location(location)
    if location == "mini":
        from disbench.data import mini  # imports the renderer

        return tuple(mini.SPLITS)
    if isinstance(location, tuple):
        return ()
    root, title = _locate(location)
    if _is_description(root):
        parts = read_description(root, images=False)[2]
        return tuple(_find_dis5k(parts) or parts)
    of_dis5k = find_split_folders(find_tree(root))
    if (root / "gt").is_dir() or of_dis5k:
        return () if (root / "gt").is_dir() else tuple(of_dis5k)
    reading = recognize_folder(root)
    names = list(reading.parts) if reading else [""]
    return () if names == [""] else tuple(_find_dis5k(names) or (name or title for name in names))


def _locate(location: str | Path) -> tuple[Path, str]:
    """Return the folder or file of a data set, which is downloaded from the hub if it is there, and its name."""
    if str(location).startswith(HUB_PREFIX):
        return download_dataset(str(location)), str(location).removeprefix(HUB_PREFIX)
    return Path(location), Path(location).resolve().name


def _is_description(root: Path) -> bool:
    return root.suffix.lower() == ".toml" and not root.is_dir()


@dataclass(frozen=True)
class _Place:
    """A data set in one folder or file: where the user says it is, where it is, and what it is called."""

    location: DataLocation
    root: Path
    title: str
    truth_kind: str | None = None


def _find_mini(split: str | None, *, images: bool, progress: Progress | None) -> DataSet:
    from disbench.data import mini  # imports the renderer

    def report(done: int, total: int) -> None:
        if progress:
            progress(done, total, "Rendering DIS-Mini")

    names = parse_splits(split or DEFAULT_SPLITS)
    root = mini.ensure_rendered(names, report)
    splits = read_layout(root, names, mini.SPLITS, images=images)
    return DataSet(mini.TITLE, f"dis-mini-{mini.VERSION}", "mini", splits)


def _find_in_folder(place: _Place, split: str | None, *, images: bool) -> DataSet:
    """Find a data set in a folder, whose layout is recognised."""
    root = place.root
    tree = find_tree(root)
    of_dis5k = find_split_folders(tree)
    if not (root / "gt").is_dir() and of_dis5k and _names_dis5k(split):
        return _read_tree(place, tree, split, images=images)
    reading = None
    if _has_standard_folders(root, images=images):
        require_no_other_pair(root)
    else:
        skipped = {folder.relative_to(root).parts[0] for folder in of_dis5k.values()}
        reading = recognize_folder(root, images=images, skipped=skipped)
    if reading is None and not (root / "gt").is_dir():  # which reports what is missing
        return _read_tree(place, tree, split, images=images)
    dataset = _read_reading(place, reading, split, images=images)
    if reading:
        # A command may look for the images too, or by the absolute path that a run has.
        announce_once(f"{place.location}: {reading.layout}", subject=f"layout of {root.resolve()}")
    return dataset


def _read_reading(place: _Place, reading: Reading | None, split: str | None, *, images: bool) -> DataSet:
    """Read the subsets of a reading; those of im/ and gt/ without one."""
    root = place.root
    parts = reading.parts if reading else {"": find_part(root, images=images)}
    if list(parts) == [""]:
        is_bare = reading is not None and reading.layout == TRUTHS_ONLY
        name = _name_folder(root) if is_bare else place.title.rpartition("/")[2]
        _check_single(root, name, split)
        return _make_single(place.location, name, parts[""].read(name))
    return _read_parts(place, {tag or place.title.rpartition("/")[2]: part for tag, part in parts.items()}, split)


def _has_standard_folders(root: Path, *, images: bool) -> bool:
    return (root / "gt").is_dir() and (not images or (root / "im").is_dir())


def _names_dis5k(split: str | None) -> bool:
    """Return whether splits of DIS5K are selected."""
    try:
        parse_splits(split or DEFAULT_SPLITS)
    except InputError:
        return False
    return True


def _read_tree(place: _Place, tree: Path, split: str | None, *, images: bool) -> DataSet:
    """Read splits of DIS5K, in folders of their names."""
    names = parse_splits(split or DEFAULT_SPLITS)
    splits = read_layout(place.root, names, SPLIT_COUNTS, images=images)
    folders = {sample.truth.parent.name for samples in splits.values() for sample in samples[:1]}
    if folders != {"gt"}:
        announce_once(f"{place.location}: DIS5K, with ground truths in {', '.join(sorted(folders))}/")
    return DataSet("DIS5K", "dis5k", place.location, splits)


def _read_parts(place: _Place, parts: Mapping[str, Part], split: str | None) -> DataSet:
    """Read subsets that have names. Those with names of DIS5K's splits are DIS5K."""
    of_dis5k = _find_dis5k(parts)
    if of_dis5k and _names_dis5k(split):
        keys = parse_splits(split or DEFAULT_SPLITS)
        if missing := [key for key in keys if key not in of_dis5k]:
            raise InputError(f"{place.root}: has no {missing[0]}, but {', '.join(of_dis5k)}; select these by --split")
        samples = {key: parts[of_dis5k[key]].read(key) for key in keys}
        for key in keys:
            check_count(key, samples[key], SPLIT_COUNTS[key], place.root)
        return DataSet("DIS5K", "dis5k", place.location, samples)
    if split and split.strip().lower() != "all" and _names_dis5k(split):
        raise InputError(f"{place.root}: has no split of DIS5K; {EXPECTED_LAYOUT}, or select {', '.join(parts)}")
    others = {name: part for name, part in parts.items() if name not in of_dis5k.values()}
    splits: dict[str, tuple[Sample, ...]] = {}
    for name in _select(place.root, split, others, known=[*others, *of_dis5k]):
        _check_name(place.root, name)
        splits[name] = others[name].read(name)
    title = _mark_own(place.title, splits)
    return _make_dataset(title, f"folder:{place.title}", place.location, splits, place.truth_kind)


def _find_dis5k(names: Iterable[str]) -> dict[str, str]:
    """Return the splits of DIS5K among the names of subsets: split -> name, such as "DIS-TE1" -> "dis_te1"."""
    return {key: name for name in names if (key := name.upper().replace("_", "-")) in SPLIT_COUNTS}


def _gather_inputs(dataset: DataSet, parts: Mapping[str, Part]) -> dict[str, InputSource]:
    """Gather the additional inputs that the parts of a data set have."""
    sources: dict[str, InputSource] = {}
    for name, part in parts.items():
        split = name if name in dataset.splits else next(iter(_find_dis5k([name])), name)
        for key, place in part.inputs.items() if split in dataset.splits else ():
            sources.setdefault(key, InputSource(places={})).places[split] = place
    return sources


def _select(root: Path, split: str | None, parts: Mapping[str, Part], known: Sequence[str]) -> list[str]:
    """Select subsets by name, in the order of the data set. None and "all" are all of them."""
    if split is None or split.strip().lower() == "all":
        return list(parts)
    names = {name.casefold(): name for name in parts}
    selected = set()
    for word in filter(None, (word.strip() for word in split.split(","))):
        if word in known and word not in parts:
            raise InputError(f"{root}: {word} is a split of DIS5K; select these apart from its other subsets")
        if word.casefold() not in names:
            raise InputError(f"{root}: has no subset {word!r}; {suggest_names(word, known)}")
        selected.add(names[word.casefold()])
    if not selected:
        raise InputError(f"no split given; known: {', '.join(known)}, all")
    return [name for name in parts if name in selected]


def _name_folder(truth_dir: Path) -> str:
    """Return the name of a data set by its folder of truths."""
    folder = truth_dir.resolve()
    return folder.parent.name if folder.name == "gt" else folder.name


def _check_single(folder: Path, name: str, split: str | None) -> None:
    _check_name(folder.resolve(), name)
    if split is not None and split.strip().lower() != "all" and split != name:
        raise InputError(f"{folder}: a folder has only one split, {name}; omit --split")


def _check_name(folder: Path, name: str) -> None:
    require_utf8(name)
    if name == OVERALL:
        raise InputError(f"{folder}: give it another name; reports call DIS-TE1..4 together {OVERALL}")


def _make_single(location: DataLocation, name: str, samples: tuple[Sample, ...]) -> DataSet:
    """Make a data set of one split, named after its folder."""
    return _make_dataset(_mark_own(name, {name: samples}), f"folder:{name}", location, {name: samples})


def _mark_own(name: str, splits: Mapping[str, tuple[Sample, ...]]) -> str:
    """Return the title of a folder. It must not pass for a published data set that it is not."""
    is_own = name in {"DIS5K", *SPLIT_COUNTS}
    for split, samples in splits.items():
        # The only subset of a data set is named by either.
        counts = find_counts(split) or (find_counts(name) if len(splits) == 1 else set())
        if counts and len(samples) not in counts:
            expected = " or ".join(f"{count:,}" for count in sorted(counts))
            announce_once(f"{name}: {split} has {len(samples):,} images, not {expected}: not the published one")
            is_own = True
    return f"{name} (own folder)" if is_own else name


def _make_dataset(
    title: str,
    token: str,
    location: DataLocation,
    splits: dict[str, tuple[Sample, ...]],
    truth_kind: str | None = None,
) -> DataSet:
    """Make a data set. Its truths are of the kind that is described, or of that of the published one of its name."""
    whole = find_known(token.removeprefix("folder:"))
    kinds = {split: facts.truth_kind for split in splits if (facts := whole or find_known(split))}
    if truth_kind is None and len(set(kinds.values())) > 1:
        soft, hard = (", ".join(s for s, kind in kinds.items() if kind == wanted) for wanted in ("alpha", "binary"))
        raise InputError(
            f"{title}: the ground truths of {soft} are soft (alpha), those of {hard} are not; select one with --split"
        )
    kind = truth_kind or next(iter(kinds.values()), "binary")
    if kind == "alpha":
        announce_once(f"{title}: its ground truths are soft (alpha)")
    return declare_truths(DataSet(title, token, location, splits), kind)
