"""Published and measured columns against their training data."""

from collections.abc import Sequence
from dataclasses import replace

from disbench.data.dataset import OVERALL, TEST_SPLITS
from disbench.data.training import TrainedOn
from disbench.leaderboard.entry import Cells, Entry, Measured, Reported
from disbench.leaderboard.rules import derive_marks
from disbench.leaderboard.tables import Published
from disbench.runs.training import UNRANKED, TrainingMark, mark_splits

TOKEN = "dis5k"  # published tables are about DIS5K


def mark_scores(trained_on: TrainedOn | None, token: str, subset: str) -> TrainingMark:
    """Compare training data with a subset, which may be Overall."""
    return mark_splits(trained_on, token, TEST_SPLITS if subset == OVERALL else (subset,))


def mark_part(part: Reported | Measured, token: str, subset: str) -> TrainingMark:
    """Compare the training data of a part of an entry with a subset, unless the method received ground truths."""
    if part.run.get("sees_truth") if isinstance(part, Measured) else part.sees_truth:
        return "sees_truth"
    return mark_scores(part.trained_on, token, subset)


def mark_published(table: Published, method: str, subset: str) -> TrainingMark:
    """Compare the training data of a column with a subset, unless the method received ground truths."""
    if method in table.sees_truth:
        return "sees_truth"
    return mark_scores(table.trained_on.get(method), TOKEN, subset)


def rank_clean_columns(table: Published) -> Published:
    """Return the table with the marks of best and second among the methods that saw neither a subset nor its truths.

    The marks of other lines stay as printed.
    """
    marks: dict[str, Cells] = {
        method: {subset: dict(row) for subset, row in cells.items()} for method, cells in table.marks.items()
    }
    for subset, metric in table.lines:
        excluded = {
            method
            for method in table.line(subset, metric)
            if mark_published(table, method, subset) in UNRANKED
        }
        if not excluded:
            continue
        clean = {method: cells for method, cells in table.columns.items() if method not in excluded}
        ranks = derive_marks(replace(table, columns=clean), subset, metric)
        for method in table.columns:
            row = marks.setdefault(method, {}).setdefault(subset, {})
            row.pop(metric, None)
            if method in ranks:
                row[metric] = ranks[method]
    return replace(table, marks=marks)


def drop_contaminated(entries: Sequence[Entry], subset: str) -> list[Entry]:
    """Drop the parts of entries that saw a subset or its ground truths, and the entries that have no other part."""
    clean = []
    for entry in entries:

        def is_clean(part: Reported | Measured, token: str = entry.token) -> bool:
            return mark_part(part, token, subset) not in UNRANKED

        reported = tuple(part for part in entry.reported if is_clean(part))
        reproduced = tuple(part for part in entry.reproduced if is_clean(part))
        measured = tuple(part for part in entry.measured if is_clean(part))
        if reported or reproduced or measured:
            clean.append(replace(entry, reported=reported, reproduced=reproduced, measured=measured))
    return clean
