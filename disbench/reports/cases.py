"""Selection of the images in a qualitative grid: by a rule, which leaves no room for favourites, or by name."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from disbench.data.dataset import Sample
from disbench.data.file_lists import list_names
from disbench.errors import InputError, suggest_names
from disbench.metrics.scoring import per_image
from disbench.runs.result import Result
from disbench.runs.row_log import Row
from disbench.runs.unchanged import check_maps
from disbench.system.cores import count_cores

CASE_METRIC = "f_max"  # of a single image; it orders the cases and stands under each prediction
# selection rule -> its description, where {first} is the title of the first method
SELECTION_RULES = {
    "spread": "The middles of equal shares of the images, ordered by the F of {first}.",
    "disagreement": "The images on which the F of the best and of the worst method lie furthest apart.",
    "gain": "The images on which the F of {first} lies furthest above the best of the others.",
    "loss": "The images on which the F of {first} lies furthest below the best of the others.",
}
SELECTED_BY_NAME = "Images chosen by name."
NO_CASES = (
    "no case to show: it needs the data set where it was when the runs were made, and maps, which `disbench run` and "
    "`disbench score --save` keep"
)
MAX_LABEL = 20  # characters of a shortened name

ImageKey = tuple[str, str]  # subset, image
Pictures = TypeVar("Pictures")


@dataclass(frozen=True)
class Case:
    """One row of the grid.

    Attributes:
        sample: image and ground truth.
        masks: title of the method -> saved prediction map. The grid shows the errors of the first map.
        scores: title of the method -> CASE_METRIC of the map.
    """

    sample: Sample
    masks: dict[str, Path]
    scores: dict[str, float]


def require_maps(result: Result, rows: Iterable[Row]) -> None:
    """Raise InputError for a result without a saved map of some of its rows."""
    missing = [row.name for row in rows if result.mask(row) is None]
    if missing and not any(result.mask(row) for members in result.rows.values() for row in members):
        raise InputError(f"{result.title}: its maps were not saved; repeat the command of its run with --save")
    if missing:
        fault = f"lacks maps of images: {len(missing)} ({list_names(missing)})"
        raise InputError(f"{result.title}: {fault}; repeat the command of its run with --save")


def make_cases(
    results: Sequence[Result], samples: Iterable[Sample], n: int = 6, selection: str = "spread"
) -> list[Case]:
    """Collect the files of selected images.

    Args:
        results: the first decides which images are selected.
        samples: images and ground truths. Cases without an image file are skipped.
        n: number of images, if a rule selects them.
        selection: as in `select_rows`.

    Returns:
        A case for each selected image with a saved map of the first result.

    Raises:
        InputError: as in `select_rows`, and for a saved map that is not the one that was measured.
    """
    sample_of_image = {(sample.split, sample.name): sample for sample in samples if sample.image}
    if not sample_of_image and selection in SELECTION_RULES:
        return []
    selected = [
        row
        for row in select_rows(results, n, selection)
        if row.key in sample_of_image and results[0].mask(row) is not None
    ]
    cases = [Case(sample_of_image[row.key], {}, {}) for row in selected]
    digests: dict[Path, str] = {}
    for result in results:
        scores = _score_images(result, {row.key for row in selected})
        measured = {row.key: row.digest for rows in result.rows.values() for row in rows if row.key in scores}
        for row, case in zip(selected, cases, strict=True):
            path = result.mask(row)
            if row.key in scores and path:
                digests[path] = measured[row.key]
                case.masks[result.title] = path
                case.scores[result.title] = scores[row.key]
    check_maps(digests)
    return cases


def select_rows(results: Sequence[Result], n: int = 6, selection: str = "spread") -> list[Row]:
    """Select images of the first result.

    Args:
        results: the methods that a rule compares.
        n: number of images, if a rule selects them.
        selection: a rule in SELECTION_RULES, or names of images, separated by commas. A name may include the subset.
            Part of a name is enough if no other image has it.

    Returns:
        Rows of the first result.

    Raises:
        InputError: for an unknown or ambiguous name, and for a rule that compares methods if there is only one.
    """
    rows = [row for split in results[0].splits for row in results[0].rows[split]]
    if selection not in SELECTION_RULES:
        # A whole name may contain a comma.
        names = [selection] if selection in {row.name for row in rows} else selection.split(",")
        return [_find_row(name, rows) for name in names]
    if selection == "spread":
        scores_of_first = _score_images(results[0])
        values = np.array([scores_of_first[row.key] for row in rows])
        order = np.argsort(-values, kind="stable")
        n = min(n, len(rows))
        return [rows[order[int((i + 0.5) * len(rows) / n)]] for i in range(n)]
    if len(results) < 2:
        raise InputError(f"--cases {selection} compares methods: give at least two runs")
    scores = [_score_images(result) for result in results]
    rows = [row for row in rows if all(row.key in result_scores for result_scores in scores)]
    values = np.array([[result_scores[row.key] for row in rows] for result_scores in scores])
    values = values.reshape(len(scores), -1)  # which keeps its shape without common images
    advantage = values[0] - values[1:].max(axis=0)
    priority = {"disagreement": np.ptp(values, axis=0), "gain": advantage, "loss": -advantage}[selection]
    return [rows[i] for i in np.argsort(-priority, kind="stable")[:n]]


def describe_selection(first: str, selection: str) -> str:
    """Describe in a sentence how the cases were selected; `first` is the title of the first method."""
    return SELECTION_RULES.get(selection, SELECTED_BY_NAME).format(first=first)


def label_image(name: str) -> str:
    """Return what sets an image apart: 'Category id' for DIS5K's group#Group#category#Category#id, or the name."""
    fields = name.split("#")
    return f"{fields[3]} {fields[-1]}" if len(fields) >= 5 else name


def shorten_name(name: str) -> str:
    """Shorten the name of an image to MAX_LABEL characters, by `label_image` and an ellipsis."""
    label = label_image(name)
    return label if len(label) <= MAX_LABEL else f"{label[:9]}…{label[-10:]}"


def _score_images(result: Result, keys: Container[ImageKey] | None = None) -> dict[ImageKey, float]:
    """Score the images of a result, or only those with these keys."""
    rows = [row for split in result.splits for row in result.rows[split] if keys is None or row.key in keys]
    if not rows:
        return {}
    values = per_image([row.measurement for row in rows], result.protocol, [CASE_METRIC])[CASE_METRIC]
    return {row.key: float(value) for row, value in zip(rows, values, strict=True)}


def _find_row(name: str, rows: Sequence[Row]) -> Row:
    name = name.strip()
    matches = [row for row in rows if name in (row.name, f"{row.split}/{row.name}")]
    if not matches and name:
        matches = [row for row in rows if name in row.name]
    if len(matches) == 1:
        return matches[0]
    if matches:
        examples = ", ".join(f"{row.split}/{row.name}" for row in matches[:3])
        raise InputError(
            f"{name}: {len(matches)} images have this in their names, such as {examples}; "
            "give more of the name, or its subset"
        )
    hint = suggest_names(name, [*SELECTION_RULES, *(row.name for row in rows)])
    raise InputError(f"{name}: no such image or rule; {hint}")


def map_cases(function: Callable[[Case], Pictures], cases: Sequence[Case]) -> list[Pictures]:
    """Make the pictures of cases with a function, in a thread for each core."""
    with ThreadPoolExecutor(count_cores()) as pool:
        return list(pool.map(function, cases))
