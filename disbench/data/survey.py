"""The complexity of every mask of a folder, for `disbench data complexity`."""

import csv
import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from disbench.data.complexity import split_equally
from disbench.data.layouts import find_part
from disbench.data.pairing import read_pairs
from disbench.data.recognition import Part
from disbench.data.truth_cache import load_complexity
from disbench.errors import InputError, escape_csv_formula
from disbench.system.cores import count_cores
from disbench.system.files import write_atomic
from disbench.system.progress import Progress


def survey_complexity(
    folder: Path, count: int | None, progress: Progress, *, paired: bool = False
) -> list[dict[str, Any]]:
    """Measure every mask of a folder.

    Args:
        folder: a folder of masks, or one with gt/ or in another layout.
        count: number of equal parts to sort the masks into. None: no parts.
        progress: called with (done, total, label).
        paired: take the masks that have images, for link_groups(), where there are others, too.

    Returns:
        One row per mask, from simple to complex: image, ipq, contours, points, rank and, with `count`, part.
    """
    pairs = _find_pairs(folder) if paired else None
    masks = replace(pairs, images=None) if pairs else find_part(folder, images=False)
    samples = masks.read(folder.name) if masks.truths.folder.is_dir() else read_pairs(folder.name, None, folder)
    rows: list[dict[str, Any]] = []
    with ThreadPoolExecutor(count_cores()) as pool:
        measured = pool.map(lambda sample: load_complexity(sample.truth, kind=sample.truth_kind), samples)
        for sample, complexity in zip(samples, measured, strict=True):
            rows.append(
                {
                    "image": sample.name,
                    "ipq": complexity.ipq,
                    "contours": complexity.contours,
                    "points": complexity.points,
                    "rank": complexity.rank,
                }
            )
            progress(len(rows), len(samples), "Measuring complexity")
    if count:
        for row, part in zip(rows, split_equally([row["rank"] for row in rows], count), strict=True):
            row["part"] = part
    return sorted(rows, key=lambda row: row["rank"])


def _find_pairs(folder: Path) -> Part | None:
    """Find the masks that have images, as a run finds them. None if there are only masks."""
    pairs = find_part(folder)
    return pairs if pairs.shards or (pairs.images and pairs.images.folder.is_dir()) else None


def link_groups(rows: list[dict[str, Any]], folder: Path, out: Path) -> list[Path]:
    """Link each part of a data set into a folder that is itself a data set. Files from parquet files are copied.

    Args:
        rows: rows of survey_complexity() with parts.
        folder: the data set, with im/ and gt/ or in another layout.
        out: folder for part-1, part-2 and so on.

    Returns:
        The folders of the parts.

    Raises:
        InputError: if the folder has no im/ and gt/, or `out` already has parts.
    """
    pairs = _find_pairs(folder)
    if pairs is None:
        raise InputError(f"{folder}: has no im/ and gt/ to link into parts; use --csv for the list")
    if existing := sorted(out.glob("part-*")):
        raise InputError(f"{existing[0]}: exists, and its files would mix with the new ones; choose another --out")
    parts = {row["image"]: row["part"] for row in rows}
    for sample in pairs.read(folder.name):
        for kind, path in (("im", sample.image), ("gt", sample.truth)):
            if path is None:
                continue
            link = out / f"part-{parts[sample.name]}" / kind / f"{sample.name}{path.suffix}"
            link.parent.mkdir(parents=True, exist_ok=True)
            if pairs.shards:  # `disbench data clear-cache` removes what was extracted
                shutil.copyfile(path, link)
            else:
                link.symlink_to(path.resolve())
    return sorted(out.glob("part-*"))


def write_survey(rows: list[dict[str, Any]], path: Path) -> None:
    """Write the rows of survey_complexity() as a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(row | {"image": escape_csv_formula(row["image"])} for row in rows)
    write_atomic(path, text.getvalue().encode())
