"""Data sets: what `--data` and `--split` mean.

DIS5K as published, the embedded DIS-Mini, or any folder with `im/` and `gt/`. A subset is complete or it is an error.
"""

import os
from collections.abc import Callable
from pathlib import Path

from disbench.data.dataset import OVERALL, SPLIT_COUNTS, DataLocation, DataSet, parse_splits
from disbench.data.layouts import read_layout, read_pairs
from disbench.errors import InputError, require_utf8


def find_dataset(
    where: DataLocation = None,
    split: str | None = None,
    images: bool = True,
    progress: Callable[[int, int, str], None] | None = None,
) -> DataSet:
    """The data set that `where` means, with the splits of `split` (default DIS-TE1..4), paired and checked.

    `where`: a DIS5K folder, any folder with im/ and gt/, a pair (images, truths), "mini", or None: $DISBENCH_DATA,
    else ./DIS5K, else DIS-Mini, which is rendered on first use. With `images=False` only truths are needed (scoring
    maps). `progress(done, total, what)` is called while rendering. InputError if anything is missing or unfit.
    """
    where = where or os.environ.get("DISBENCH_DATA") or ("DIS5K" if Path("DIS5K").is_dir() else "mini")
    for path in where if isinstance(where, tuple) else (where,):
        require_utf8(Path(path or "").resolve())
    if where == "mini":
        names = parse_splits(split or "DIS-TE1..4")
        from disbench.data import mini

        root = mini.ensure_rendered(names, progress and (lambda done, total: progress(done, total, "Rendering DIS-Mini")))
        return DataSet(mini.TITLE, f"dis-mini-{mini.VERSION}", where, read_layout(root, names, mini.SPLITS, images))
    if isinstance(where, tuple):
        image_dir, truth_dir = where
    else:
        root = Path(where)
        if not (root / "gt").is_dir():
            names = parse_splits(split or "DIS-TE1..4")
            return DataSet("DIS5K", "dis5k", where, read_layout(root, names, SPLIT_COUNTS, images))
        image_dir, truth_dir = root / "im", root / "gt"
    folder = truth_dir.resolve()
    name = folder.parent.name if folder.name == "gt" else folder.name
    if name == OVERALL:
        raise InputError(f"{folder}: give it another name; reports call DIS-TE1..4 together {OVERALL}")
    if split not in (None, "all", name):
        raise InputError(f"{truth_dir}: a folder of its own has one split, {name}; leave --split away")
    pairs = read_pairs(name, image_dir if images else None, truth_dir)
    title = f"{name} (own folder)" if name in {"DIS5K", *SPLIT_COUNTS} else name  # it must not pass for the published one
    return DataSet(title, f"folder:{name}", where, {name: pairs})
