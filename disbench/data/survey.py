"""The complexity of every mask of a folder: `disbench data complexity`."""

import csv
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from disbench.data.complexity import split_equally
from disbench.data.layouts import read_pairs
from disbench.data.truth_cache import load_complexity
from disbench.errors import InputError, escape_csv_formula
from disbench.system.cores import count_cores
from disbench.system.files import write_atomic


def survey_complexity(folder: Path, count: int | None, progress: Callable[[int, int, str], None]) -> list[dict[str, Any]]:
    """A row per mask of `folder` (or of its gt/), from simple to complex; with `count`, the equal part it falls in."""
    truths = folder / "gt" if (folder / "gt").is_dir() else folder
    samples = read_pairs(folder.name, None, truths)
    rows = []
    with ThreadPoolExecutor(count_cores()) as pool:
        for sample, found in zip(samples, pool.map(lambda s: load_complexity(s.truth), samples), strict=True):
            row = {"image": sample.name, "ipq": found.ipq, "contours": found.contours, "points": found.points}
            rows.append(row | {"rank": found.rank})
            progress(len(rows), len(samples), "Measuring complexity")
    if count:
        for row, part in zip(rows, split_equally([row["rank"] for row in rows], count), strict=True):
            row["part"] = part
    return sorted(rows, key=lambda row: row["rank"])


def link_groups(rows: list[dict[str, Any]], folder: Path, out: Path) -> list[Path]:
    """`out`/part-1, `out`/part-2 ...: links to the files of `folder`/{im,gt}, each part a data set of its own."""
    if not (folder / "im").is_dir():
        raise InputError(f"{folder}: has no im/ and gt/ to link into parts; use --csv for the list")
    if there := sorted(out.glob("part-*")):
        raise InputError(f"{there[0]}: of an earlier cut, whose files would mix with these; choose another --out")
    parts = {row["image"]: row["part"] for row in rows}
    for sample in read_pairs(folder.name, folder / "im", folder / "gt"):
        for kind, path in (("im", sample.image), ("gt", sample.truth)):
            link = out / f"part-{parts[sample.name]}" / kind / path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
    return sorted(out.glob("part-*"))


def write_survey(rows: list[dict[str, Any]], path: Path) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(row | {"image": escape_csv_formula(row["image"])} for row in rows)
    write_atomic(path, text.getvalue().encode())
