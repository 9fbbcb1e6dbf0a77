"""Scores of groups of images: equal parts by complexity or size, or the categories in file names.

A grouped result is a result whose subsets are the groups, so every report takes it. A group holds images of all subsets
of the result. Its score is the mean over its own images.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import repeat
from pathlib import Path

from disbench.data.complexity import Complexity, split_equally
from disbench.data.dataset import OVERALL, parse_category
from disbench.data.hashing import combine_digests, hash_file
from disbench.errors import InputError
from disbench.runs.comparable import check_comparable
from disbench.runs.manifest import read_manifest
from disbench.runs.result import Result
from disbench.runs.result_data import find_result_data
from disbench.runs.row_log import Row
from disbench.system.cores import count_cores
from disbench.system.progress import Progress

DEFAULT_PARTS = 4  # DIS5K's test images are divided into as many

# (result, its rows, number of parts, progress) -> the group of each row
Labeller = Callable[[Result, list[Row], int, Progress | None], list[str]]


def group_images(
    results: Sequence[Result], by: str, parts: int | None = None, progress: Progress | None = None
) -> list[Result]:
    """Return the results with groups of images in place of subsets.

    Complexity is ipq x points, the quantity that ranks DIS-TE1 to DIS-TE4. It is measured on the ground truths, which
    must still be those of the run. Images of equal rank stay in the order of their subsets and names.

    Args:
        results: comparable results on the same subsets.
        by: "complexity", "size" (pixels) or "category".
        parts: number of equal parts by complexity or size, in ascending order. Default: 4.
        progress: is called with (done, total, label).

    Raises:
        InputError: for results that are not comparable or differ in their subsets, for ground truths that are missing
            or have changed, and for file names without a category.
    """
    if by not in GROUPINGS:
        raise InputError(f"cannot group by {by!r}; known: {', '.join(GROUPINGS)}")
    if parts and by == "category":
        raise InputError("parts go with complexity and size; by category, each category is a group")
    check_comparable(results)
    first = results[0]
    for other in results[1:]:
        if set(other.splits) != set(first.splits):
            raise InputError(
                f"{first.title} has {', '.join(first.splits)} and {other.title} has {', '.join(other.splits)}; "
                "only results on the same subsets can be grouped together"
            )
    rows = [row for split in first.splits for row in first.rows[split]]
    labels = GROUPINGS[by](first, rows, parts or DEFAULT_PARTS, progress)
    label_of_image = {row.key: label for row, label in zip(rows, labels, strict=True)}
    grouping = by if by == "category" else f"{by}/{parts or DEFAULT_PARTS}"
    return [_regroup(result, label_of_image, grouping) for result in results]


def _regroup(result: Result, label_of_image: dict[tuple[str, str], str], grouping: str) -> Result:
    rows: dict[str, list[Row]] = {label: [] for label in sorted(set(label_of_image.values()))}
    for split in result.splits:
        for row in result.rows[split]:
            rows[label_of_image[row.key]].append(row)
    return replace(
        result, splits=tuple(rows), rows=rows, signature=f"{result.signature}|by:{grouping}", by=grouping
    )


def _label_by_category(result: Result, rows: list[Row], parts: int, progress: Progress | None) -> list[str]:
    labels = []
    for row in rows:
        category = parse_category(row.name)
        if category is None:
            raise InputError(
                f"{row.name}: the name holds no category, as in group#Group#category#Category#id; group by size"
            )
        # A category may be called like the score over all test images.
        labels.append(f"{category} (category)" if category == OVERALL else category)
    return labels


def _label_by_size(result: Result, rows: list[Row], parts: int, progress: Progress | None) -> list[str]:
    pixels = [row.measurement.height * row.measurement.width for row in rows]
    return _label_parts(pixels, parts, lambda low, high: f"{low / 1e6:.3g} to {high / 1e6:.3g} MP")


def _label_by_complexity(result: Result, rows: list[Row], parts: int, progress: Progress | None) -> list[str]:
    ranks = [complexity.rank for complexity in measure_complexities(result, rows, progress)]
    return _label_parts(ranks, parts, lambda low, high: f"{low:,.0f} to {high:,.0f}")


GROUPINGS: dict[str, Labeller] = {
    "complexity": _label_by_complexity,
    "size": _label_by_size,
    "category": _label_by_category,
}


def measure_complexities(result: Result, rows: Sequence[Row], progress: Progress | None = None) -> list[Complexity]:
    """Measure the complexity of the ground truths behind rows of a result.

    Args:
        result: the result that the ground truths are found by.
        rows: all rows of the result.
        progress: is called with (done, total, label).

    Returns:
        A complexity for each row, in the order of the rows.

    Raises:
        InputError: if the ground truths are missing or are not those that the result was scored on.
    """
    from disbench.data.truth_cache import load_complexity

    files = _find_truths(result)
    missing = next((row for row in rows if row.key not in files), None)
    if missing:
        raise InputError(
            f"{result.title}: the ground truth of {missing.split}/{missing.name} is missing; "
            "complexity is measured on ground truths"
        )
    paths = [files[row.key] for row in rows]
    complexities = []
    with ThreadPoolExecutor(count_cores()) as pool:
        digests = list(pool.map(hash_file, paths))
        _check_unchanged(result, rows, digests)
        kind = result.identity.get("truth_kind", "binary")
        for complexity in pool.map(load_complexity, paths, digests, repeat(kind)):
            complexities.append(complexity)
            if progress:
                progress(len(complexities), len(rows), "Measuring complexity")
    return complexities


def _label_parts(ranks: Sequence[float], parts: int, format_span: Callable[[float, float], str]) -> list[str]:
    """Return the part of each image, as in '1/4: 0.25 to 0.30 MP'.

    Numbers of parts are padded with zeros, so that labels sorted as text are in the order of the parts.
    """
    part_of_image = split_equally(ranks, parts)
    labels = {}
    for part in set(part_of_image):
        members = [rank for rank, other in zip(ranks, part_of_image, strict=True) if other == part]
        number = str(part).zfill(len(str(parts)))
        labels[part] = f"{number}/{parts}: {format_span(min(members), max(members))}"
    return [labels[part] for part in part_of_image]


def _find_truths(result: Result) -> dict[tuple[str, str], Path]:
    """Return (subset, image) -> ground truth file, for the data set that a result was scored on."""
    try:
        dataset = find_result_data(result, images=False)
    except InputError as error:
        raise InputError(
            f"complexity is measured on the ground truths that {result.title} was scored on: {error}"
        ) from None
    return {(sample.split, sample.name): sample.truth for sample in dataset.samples}


def _check_unchanged(result: Result, rows: Sequence[Row], digests: Sequence[str | None]) -> None:
    """Compare the digests of ground truths with those that the run or the leaderboard entry holds."""
    expected = result.meta.get("truths")
    if not expected:
        data = read_manifest(result.folder).identity["data"]
        expected = {split: split_digests["truths"] for split, split_digests in data.items()}
    for split in result.splits:
        files = ((row.name, digest) for row, digest in zip(rows, digests, strict=True) if row.split == split)
        if combine_digests(files) != expected[split]:
            raise InputError(
                f"{result.meta['data'][-1]}: its ground truths of {split} are not those that {result.title} was "
                "scored on"
            )
