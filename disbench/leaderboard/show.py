"""Entries as rows of a table for a terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from disbench.errors import InputError, suggest_names
from disbench.leaderboard.entry import Entry
from disbench.leaderboard.tables import parse_number
from disbench.leaderboard.training import mark_part
from disbench.metrics.catalogue import METRICS, PAPER, MetricKeys, resolve_metrics
from disbench.runs.training import SEES_TRUTH, SIGNS, UNSTATED_NOTE, TrainingMark

HEAD = ("method", "venue", "what", "by")
MISSING = "–"
NOTES = {
    "sees_truth": f"§: {SEES_TRUTH}.",
    "contaminated": "†: trained on images of this subset.",
    "unstated": UNSTATED_NOTE,
}


@dataclass(frozen=True)
class _Row:
    """One reported or measured part of an entry.

    Attributes:
        head: the cells under HEAD.
        texts: metric -> text.
        rank: the number that rows are sorted by. None: missing.
        mark: the mark of the training data.
    """

    head: tuple[str, ...]
    texts: dict[str, str]
    rank: float | None
    mark: TrainingMark


def build_rows(
    entries: Sequence[Entry], split: str, metrics: MetricKeys = None
) -> tuple[list[str], list[tuple[str, ...]], list[str]]:
    """Build the table of some entries on a subset.

    Args:
        entries: the entries.
        split: a subset, or "Overall".
        metrics: metric keys; rows are sorted by the first. None: the metrics of the paper.

    Returns:
        The symbols of the metrics, a row for each reported and measured part with scores, the best first, and what the
        signs behind methods mean.

    Raises:
        InputError: for a subset that no entry has.
    """
    keys = resolve_metrics(metrics or PAPER)
    subsets = _list_subsets(entries)
    if subsets and split not in subsets:
        raise InputError(f"--split {split}: none of these entries has it; {suggest_names(split, subsets)}")
    rows = [row for entry in entries for row in _list_rows(entry, split, keys) if row.texts]
    sign = -1 if METRICS[keys[0]].direction == "higher" else 1
    rows.sort(key=lambda row: (row.rank is None, sign * (row.rank or 0)))
    cells = [(*row.head, *(row.texts.get(key, MISSING) for key in keys)) for row in rows]
    marks = {row.mark for row in rows}
    notes = [note for mark, note in NOTES.items() if mark in marks]
    return [METRICS[key].symbol for key in keys], cells, notes


def _list_subsets(entries: Sequence[Entry]) -> list[str]:
    subsets: dict[str, None] = {}
    for entry in entries:
        for reported in entry.reported:
            subsets |= dict.fromkeys(reported.printed)
        for measured in entry.measured:
            subsets |= dict.fromkeys(measured.scores)
    return list(subsets)


def _list_rows(entry: Entry, split: str, keys: Sequence[str]) -> Iterator[_Row]:
    venue = entry.paper.get("venue", "")
    for reported in entry.reported:
        texts = reported.printed.get(split, {})
        number = parse_number(texts.get(keys[0]))
        mark = mark_part(reported, entry.token, split)
        head = (entry.title + SIGNS[mark], venue, "reported", f"arXiv:{reported.source.arxiv}")
        yield _Row(head, texts, None if number is None else float(number), mark)
    for measured in entry.measured:
        scores = measured.scores.get(split, {})
        texts = {key: _format_score(key, *scores[key]) for key in keys if key in scores}
        mark = mark_part(measured, entry.token, split)
        rank = scores[keys[0]][0] if keys[0] in scores else None
        yield _Row((entry.title + SIGNS[mark], venue, "measured", measured.protocol), texts, rank, mark)


def _format_score(key: str, value: float, low: float | None, high: float | None) -> str:
    digits = METRICS[key].digits
    interval = "" if low is None or high is None else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{value:.{digits}f}{interval}"
