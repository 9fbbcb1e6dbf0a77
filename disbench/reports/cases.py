"""Which images a qualitative grid shows: by a rule that leaves no room for picking favourites, or by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from disbench.data.dataset import Sample
from disbench.errors import InputError, suggest_names
from disbench.metrics.scoring import per_image
from disbench.runs.result import Result
from disbench.runs.row_log import Row

METRIC = "f_max"  # of one image; orders the cases and stands under each prediction
RULES = {
    "spread": "The middles of equal shares of the images, ordered by the F of {first}.",
    "disagreement": "The images on which the F of the best and of the worst method lie furthest apart.",
    "gain": "The images on which the F of {first} lies furthest above the best of the others.",
    "loss": "The images on which the F of {first} lies furthest below the best of the others.",
}
NAMED = "Images chosen by name."
NO_CASES = "no case to show: it needs the data set, and the maps, which `disbench run` and `disbench score --save` keep"


@dataclass(frozen=True)
class Case:
    """One row of the grid. `masks` and `scores` are by method title; the first mask has its errors shown."""

    sample: Sample
    masks: dict[str, Path]
    scores: dict[str, float]


def make_cases(results: Sequence[Result], samples: Iterable[Sample], n: int = 6, how: str = "spread") -> list[Case]:
    """The chosen cases of the first result, with the saved maps of all; none where images or maps are not at hand."""
    known = {(sample.split, sample.name): sample for sample in samples if sample.image}
    scores = [_scores(result) for result in results]
    found = []
    for row in choose_cases(results, n, how):
        key = row.split, row.name
        if key not in known or results[0].mask(row) is None:
            continue
        masks, values = {}, {}
        for result, own in zip(results, scores, strict=True):
            if key in own and (path := result.mask(row)):
                masks[result.title], values[result.title] = path, own[key]
        found.append(Case(known[key], masks, values))
    return found


def choose_cases(results: Sequence[Result], n: int = 6, how: str = "spread") -> list[Row]:
    """`n` rows of the first result by one of RULES, or those named in `how` with commas between.

    A name is whole, with or without its subset, or a part that no other image has. InputError for another, and where a
    rule needs a second method.
    """
    rows = [row for split in results[0].splits for row in results[0].rows[split]]
    if how not in RULES:
        return [_named(name, rows) for name in ([how] if how in {row.name for row in rows} else how.split(","))]
    scores = [_scores(result) for result in results]
    if how == "spread":
        values = np.array([scores[0][row.split, row.name] for row in rows])
        order = np.argsort(-values, kind="stable")
        n = min(n, len(rows))
        return [rows[order[int((i + 0.5) * len(rows) / n)]] for i in range(n)]
    if len(results) < 2:
        raise InputError(f"--cases {how} compares methods: give at least two runs")
    rows = [row for row in rows if all((row.split, row.name) in one for one in scores)]
    values = np.array([[one[row.split, row.name] for row in rows] for one in scores]).reshape(len(scores), -1)
    over = values[0] - values[1:].max(axis=0)
    weight = {"disagreement": np.ptp(values, axis=0), "gain": over, "loss": -over}[how]
    return [rows[i] for i in np.argsort(-weight, kind="stable")[:n]]


def describe_selection(first: str, how: str) -> str:
    """How the cases were chosen, in a sentence."""
    return RULES.get(how, NAMED).format(first=first)


def shorten_name(name: str) -> str:
    """What tells images apart in a file name: 'Category id' of DIS5K's group#Group#category#Category#id."""
    parts = name.split("#")
    label = f"{parts[3]} {parts[-1]}" if len(parts) >= 5 else name
    return label if len(label) <= 20 else f"{label[:9]}…{label[-10:]}"


def _scores(result: Result) -> dict[tuple[str, str], float]:
    rows = [row for split in result.splits for row in result.rows[split]]
    values = per_image([row.measurement for row in rows], result.protocol, [METRIC])[METRIC]
    return {(row.split, row.name): float(value) for row, value in zip(rows, values, strict=True)}


def _named(name: str, rows: Sequence[Row]) -> Row:
    name = name.strip()
    for same in (lambda row: name in (row.name, f"{row.split}/{row.name}"), lambda row: name and name in row.name):
        found = [row for row in rows if same(row)]
        if len(found) == 1:
            return found[0]
        if found:
            some = ", ".join(f"{row.split}/{row.name}" for row in found[:3])
            raise InputError(f"--cases {name}: {len(found)} images have this in their names, such as {some}; say more")
    raise InputError(f"--cases {name}: no such image or rule; {suggest_names(name, [*RULES, *(row.name for row in rows)])}")

