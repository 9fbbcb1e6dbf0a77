"""Scores cut by what the images are: by complexity and size in equal parts, or by the category in their file names.

A cut result is a result whose subsets are the groups, so every report takes it. Its groups hold the images of all its
subsets together, each group scored by itself: the score of a group is a mean over that group's images.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from disbench.data.complexity import Complexity
from disbench.data.complexity import split_equally as equal_parts
from disbench.data.dataset import OVERALL, parse_category
from disbench.data.hashing import combine_digests, hash_file
from disbench.data.location import find_dataset
from disbench.errors import InputError
from disbench.runs.comparable import check_comparable
from disbench.runs.manifest import read_manifest
from disbench.runs.result import Result
from disbench.runs.row_log import Row
from disbench.system.cores import count_cores
from disbench.system.progress import Progress

PARTS = 4  # as DIS5K's test images are cut


def group_images(results: Sequence[Result], by: str, parts: int | None = None, progress: Progress | None = None) -> list[Result]:
    """The results with groups of their images for subsets; `by` is complexity, size or category.

    parts: number of equal parts, in ascending order, of complexity (ipq x points, which ranks DIS-TE1..4) or size
    (pixels); None: 4. Images of equal rank stay in the order of their subsets and names.

    Complexity is read from the truths, which must be at hand and those of the run. InputError where they are not, where
    results do not stand side by side or have other subsets, and where a file name holds no category.
    """
    if by not in GROUPINGS:
        raise InputError(f"cannot cut by {by!r}; known: {', '.join(GROUPINGS)}")
    if parts and by == "category":
        raise InputError("parts go with complexity and size; by category, each is a group")
    check_comparable(results)
    first = results[0]
    for other in results[1:]:
        if set(other.splits) != set(first.splits):
            raise InputError(
                f"{first.title} has {', '.join(first.splits)} and {other.title} has {', '.join(other.splits)}; "
                "only results on the same subsets are cut alike"
            )
    rows = [row for split in first.splits for row in first.rows[split]]
    labels = GROUPINGS[by](first, rows, parts or PARTS, progress)
    groups = {(row.split, row.name): label for row, label in zip(rows, labels, strict=True)}
    name = by if by == "category" else f"{by}/{parts or PARTS}"
    return [_regrouped(result, groups, name) for result in results]


def _regrouped(result: Result, groups: dict[tuple[str, str], str], name: str) -> Result:
    rows: dict[str, list[Row]] = {group: [] for group in sorted(set(groups.values()))}
    for split in result.splits:
        for row in result.rows[split]:
            rows[groups[row.split, row.name]].append(row)
    return replace(result, splits=tuple(rows), rows=rows, signature=f"{result.signature}|by:{name}", by=name)


def _by_category(result: Result, rows: list[Row], parts: int, progress: Progress | None) -> list[str]:
    labels = [parse_category(row.name) for row in rows]
    if None in labels:
        name = rows[labels.index(None)].name
        raise InputError(f"{name}: its name holds no category, as in group#Group#category#Category#id; cut by size")
    return [f"{label} (category)" if label == OVERALL else label for label in labels]


def _by_size(result: Result, rows: list[Row], parts: int, progress: Progress | None) -> list[str]:
    pixels = [row.measurement.height * row.measurement.width for row in rows]
    return _labels(pixels, parts, lambda low, high: f"{low / 1e6:.2f} to {high / 1e6:.2f} MP")


def _by_complexity(result: Result, rows: list[Row], parts: int, progress: Progress | None) -> list[str]:
    ranks = [found.rank for found in measure_complexities(result, rows, progress)]
    return _labels(ranks, parts, lambda low, high: f"{low:,.0f} to {high:,.0f}")


GROUPINGS: dict[str, Callable[[Result, list[Row], int, Progress | None], list[str]]] = {
    "complexity": _by_complexity,
    "size": _by_size,
    "category": _by_category,
}


def measure_complexities(result: Result, rows: Sequence[Row], progress: Progress | None = None) -> list[Complexity]:
    """Of the truths of all rows of a result, in the order of `rows`. InputError as cut() raises it."""
    from disbench.data.truth_cache import load_complexity

    files = _truths(result)
    lost = next((row for row in rows if (row.split, row.name) not in files), None)
    if lost:
        raise InputError(
            f"{result.title}: no truth of {lost.split}/{lost.name} at hand; complexity is read from truths"
        )
    paths, found = [files[row.split, row.name] for row in rows], []
    with ThreadPoolExecutor(count_cores()) as pool:
        digests = list(pool.map(hash_file, paths))
        _check_same(result, rows, digests)
        for one in pool.map(load_complexity, paths, digests):
            found.append(one)
            if progress:
                progress(len(found), len(rows), "Measuring complexity")
    return found


def _labels(ranks: Sequence[float], parts: int, span: Callable[[float, float], str]) -> list[str]:
    """The group of each image, as in '1/4: 0.25 to 0.30 MP'; their order as text is the order of the parts."""
    of = equal_parts(ranks, parts)
    names = {}
    for part in set(of):
        inside = [rank for rank, other in zip(ranks, of, strict=True) if other == part]
        names[part] = f"{part:0{len(str(parts))}}/{parts}: {span(min(inside), max(inside))}"
    return [names[part] for part in of]


def _truths(result: Result) -> dict[tuple[str, str], Path]:
    """(split, name) -> truth file of a run's rows, where its data set is still at hand."""
    where = result.meta["data"][-1]  # after the folder of images, if that stands by itself
    own = result.token.startswith("folder:")
    if own and not (Path(where) / "gt").is_dir():  # a folder of truths, with or without one of images
        where = (None, Path(where))
    try:
        dataset = find_dataset(where, None if own else ",".join(result.splits), images=False)
    except InputError as error:
        raise InputError(f"complexity is read from the truths that {result.title} was scored on: {error}") from None
    return {(sample.split, sample.name): sample.truth for sample in dataset.samples}


def _check_same(result: Result, rows: Sequence[Row], digests: list[str | None]) -> None:
    known = result.meta.get("truths") or {
        split: digests["truths"] for split, digests in read_manifest(result.folder).identity["data"].items()
    }
    for split in result.splits:
        files = ((row.name, digest) for row, digest in zip(rows, digests, strict=True) if row.split == split)
        if combine_digests(files) != known[split]:
            raise InputError(
                f"{result.meta['data'][-1]}: its truths of {split} are not those that {result.title} was scored on"
            )
