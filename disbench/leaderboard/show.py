"""Entries as rows of a table for a terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from disbench.data.dataset import OVERALL
from disbench.errors import InputError, suggest_names
from disbench.leaderboard.entry import Entry
from disbench.leaderboard.tables import name_parts, parse_number
from disbench.leaderboard.training import mark_part
from disbench.metrics.catalogue import METRICS, PAPER, MetricKeys, resolve_metrics
from disbench.runs.training import SEES_TRUTH, SIGNS, UNSTATED_NOTE, TrainingMark

HEAD = ("method", "venue", "what", "by")
MISSING = "–"
SECONDHAND = ", secondhand"
NOTES = {
    "sees_truth": f"§: {SEES_TRUTH}.",
    "contaminated": "†: trained on images of this subset.",
    "unstated": UNSTATED_NOTE,
    SECONDHAND: "secondhand: read at a page that quotes the source.",
    "reproduced": "reproduced: others made the maps, and scored them with the script of the method's authors.",
}


@dataclass(frozen=True)
class _Row:
    """One reported, reproduced or measured part of an entry.

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
        The symbols of the metrics, a row for each part with one of their scores, the best first, and what signs and
        words mean.

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
    used = {word for row in rows for word in (row.mark, row.head[2])}
    if any(row.head[3].endswith(SECONDHAND) for row in rows):
        used.add(SECONDHAND)
    notes = [note for word, note in NOTES.items() if word in used]
    return [METRICS[key].symbol for key in keys], cells, notes


def choose_subset(entries: Sequence[Entry]) -> str:
    """Return the subset to show: Overall, or the last subset of entries without it."""
    subsets = _list_subsets(entries)
    return OVERALL if OVERALL in subsets or not subsets else subsets[-1]


def _list_subsets(entries: Sequence[Entry]) -> list[str]:
    subsets: dict[str, None] = {}
    for entry in entries:
        for part in entry.published:
            subsets |= dict.fromkeys(part.printed)
        for measured in entry.measured:
            subsets |= dict.fromkeys(measured.scores)
    return list(subsets)


def _list_rows(entry: Entry, split: str, keys: Sequence[str]) -> Iterator[_Row]:
    venue = entry.paper.get("venue", "")
    for (_, _, reproduced), part in name_parts(entry):
        printed = part.printed.get(split, {})
        texts = {key: printed[key] for key in keys if key in printed}
        number = parse_number(texts.get(keys[0]))
        mark = mark_part(part, entry.token, split)
        kind = "reproduced" if reproduced else "reported"
        source = part.source.label + SECONDHAND * part.source.secondhand
        head = (entry.title + SIGNS[mark], venue, kind, source)
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
