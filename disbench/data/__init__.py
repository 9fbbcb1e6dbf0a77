"""Data sets: what `--data` and `--split` mean.

DIS5K as published, the embedded DIS-Mini, or any folder with `im/` and `gt/`. A subset is complete or it is an error.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from disbench.data.dis5k import COUNTS, OVERALL, TEST, Sample, read_layout, read_pairs
from disbench.errors import InputError, utf8

__all__ = ["COUNTS", "TEST", "DataSet", "Sample", "Where", "find", "split_names"]

Where = str | Path | tuple[Path | None, Path] | None


@dataclass(frozen=True)
class DataSet:
    """Samples of some splits of one data set.

    `title` heads every report ("DIS5K", "DIS-Mini (synthetic, not DIS5K)", "my-images"), `token` names it in
    signatures, `where` finds it again; `splits` maps split -> samples sorted by name.
    """

    title: str
    token: str
    where: Where
    splits: dict[str, tuple[Sample, ...]]

    @property
    def samples(self) -> list[Sample]:
        return [sample for samples in self.splits.values() for sample in samples]

    @property
    def is_mini(self) -> bool:
        return self.token.startswith("dis-mini-")


def split_names(expression: str) -> tuple[str, ...]:
    """The splits that 'DIS-TE1..4', 'DIS-VD', 'DIS-TE1,DIS-TE3' or 'all' (all but DIS-TR) means, in DIS5K's order."""
    wanted: set[str] = set()
    for part in filter(None, (p.strip() for p in expression.split(","))):
        span = re.fullmatch(r"(?i)DIS-TE([1-4])\.\.(?:DIS-TE)?([1-4])", part)
        if part.lower() == "all":
            wanted |= {"DIS-VD", *TEST}
        elif span and span[1] <= span[2]:
            wanted |= {f"DIS-TE{k}" for k in range(int(span[1]), int(span[2]) + 1)}
        elif part.upper() in COUNTS:
            wanted.add(part.upper())
        else:
            raise InputError(f"unknown split {part!r}; known: {', '.join(COUNTS)}, DIS-TE1..4, all")
    if not wanted:
        raise InputError(f"no split given; known: {', '.join(COUNTS)}, DIS-TE1..4, all")
    return tuple(name for name in COUNTS if name in wanted)


def find(
    where: Where = None,
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
        utf8(Path(path or "").resolve())
    if where == "mini":
        names = split_names(split or "DIS-TE1..4")
        from disbench.data import mini

        root = mini.ensure(names, progress and (lambda done, total: progress(done, total, "Rendering DIS-Mini")))
        return DataSet(mini.TITLE, f"dis-mini-{mini.VERSION}", where, read_layout(root, names, mini.SPLITS, images))
    if isinstance(where, tuple):
        image_dir, truth_dir = where
    else:
        root = Path(where)
        if not (root / "gt").is_dir():
            names = split_names(split or "DIS-TE1..4")
            return DataSet("DIS5K", "dis5k", where, read_layout(root, names, COUNTS, images))
        image_dir, truth_dir = root / "im", root / "gt"
    folder = truth_dir.resolve()
    name = folder.parent.name if folder.name == "gt" else folder.name
    if name == OVERALL:
        raise InputError(f"{folder}: give it another name; reports call DIS-TE1..4 together {OVERALL}")
    if split not in (None, "all", name):
        raise InputError(f"{truth_dir}: a folder of its own has one split, {name}; leave --split away")
    pairs = read_pairs(name, image_dir if images else None, truth_dir)
    title = f"{name} (own folder)" if name in {"DIS5K", *COUNTS} else name  # it must not pass for the published one
    return DataSet(title, f"folder:{name}", where, {name: pairs})
