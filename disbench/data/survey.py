"""The complexity of every mask of a folder: `disbench data complexity`."""

import csv
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from disbench.data.complexity import parts
from disbench.data.dis5k import read_pairs
from disbench.data.truths import complexity_of
from disbench.environment import cores
from disbench.errors import InputError, inert
from disbench.files import write_whole


def survey(folder: Path, count: int | None, progress: Callable[[int, int, str], None]) -> list[dict[str, Any]]:
    """A row per mask of `folder` (or of its gt/), from simple to complex; with `count`, the equal part it falls in."""
    truths = folder / "gt" if (folder / "gt").is_dir() else folder
    samples = read_pairs(folder.name, None, truths)
    rows = []
    with ThreadPoolExecutor(cores()) as pool:
        for sample, found in zip(samples, pool.map(lambda s: complexity_of(s.truth), samples), strict=True):
            row = {"image": sample.name, "ipq": found.ipq, "contours": found.contours, "points": found.points}
            rows.append(row | {"rank": found.rank})
            progress(len(rows), len(samples), "Measuring complexity")
    if count:
        for row, part in zip(rows, parts([row["rank"] for row in rows], count), strict=True):
            row["part"] = part
    return sorted(rows, key=lambda row: row["rank"])


def link_parts(rows: list[dict[str, Any]], folder: Path, out: Path) -> list[Path]:
    """`out`/part-1, `out`/part-2 ...: links to the files of `folder`/{im,gt}, each part a data set of its own."""
    if not (folder / "im").is_dir():
        raise InputError(f"{folder}: has no im/ and gt/ to link into parts; use --csv for the list")
    parts = {row["image"]: row["part"] for row in rows}
    for sample in read_pairs(folder.name, folder / "im", folder / "gt"):
        for kind, path in (("im", sample.image), ("gt", sample.truth)):
            link = out / f"part-{parts[sample.name]}" / kind / path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
    return sorted(out.glob("part-*"))


def write_csv(rows: list[dict[str, Any]], path: Path) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(row | {"image": inert(row["image"])} for row in rows)
    write_whole(path, text.getvalue().encode())
