"""Find the data set that `--data` and `--split` name.

That is DIS5K as published, the embedded DIS-Mini, or any folder with im/ and gt/. A split is complete, or it is an
error.
"""

from pathlib import Path

from disbench.data.dataset import OVERALL, SPLIT_COUNTS, DataLocation, DataSet, parse_splits, resolve_location
from disbench.data.layouts import read_layout, read_pairs
from disbench.errors import InputError, require_utf8
from disbench.system.progress import Progress

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
        location: a DIS5K folder, any folder with im/ and gt/, a pair (folder of images, folder of truths), or "mini".
            Default: $DISBENCH_DATA, or ./DIS5K, or DIS-Mini, which is rendered on first use.
        split: splits as in "DIS-TE1..4" or "DIS-VD,DIS-TE2". Default: DIS-TE1..4.
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
        return _find_folder(location, image_dir if images else None, truth_dir, split)
    root = Path(location)
    if (root / "gt").is_dir():
        return _find_folder(location, root / "im" if images else None, root / "gt", split)
    names = parse_splits(split or DEFAULT_SPLITS)
    return DataSet("DIS5K", "dis5k", location, read_layout(root, names, SPLIT_COUNTS, images=images))


def _find_mini(split: str | None, *, images: bool, progress: Progress | None) -> DataSet:
    from disbench.data import mini  # imports the renderer

    def report(done: int, total: int) -> None:
        if progress:
            progress(done, total, "Rendering DIS-Mini")

    names = parse_splits(split or DEFAULT_SPLITS)
    root = mini.ensure_rendered(names, report)
    splits = read_layout(root, names, mini.SPLITS, images=images)
    return DataSet(mini.TITLE, f"dis-mini-{mini.VERSION}", "mini", splits)


def _find_folder(location: DataLocation, image_dir: Path | None, truth_dir: Path, split: str | None) -> DataSet:
    """Read two folders as a data set of one split, named after the folder."""
    folder = truth_dir.resolve()
    name = folder.parent.name if folder.name == "gt" else folder.name
    if name == OVERALL:
        raise InputError(f"{folder}: give it another name; reports call DIS-TE1..4 together {OVERALL}")
    if split not in (None, "all", name):
        raise InputError(f"{truth_dir}: a folder has only one split, {name}; omit --split")
    pairs = read_pairs(name, image_dir, truth_dir)
    # The title must not pass for the published data set.
    title = f"{name} (own folder)" if name in {"DIS5K", *SPLIT_COUNTS} else name
    return DataSet(title, f"folder:{name}", location, {name: pairs})
