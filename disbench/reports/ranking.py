"""Which scores of a line compete, and which of them are best, second and third."""

from collections import Counter
from collections.abc import Iterable, Sequence

from disbench.reports.cells import Cell, Rank, is_published, is_reproduced
from disbench.runs.training import UNRANKED, TrainingMark

RANKINGS = ("together", "by-source", "measured")
RANKS: tuple[Rank, ...] = ("best", "second", "third")


def group_columns(columns: Sequence[tuple[str, str]], ranking: str) -> list[str | None]:
    """Return the group of each column, (method, protocol): the scores of a group compete.

    None: the column competes with no other. By source, it then has the marks of its publication. A reproduction never
    competes with what authors reported, nor with runs.
    """
    if ranking == "together":
        return [None if is_reproduced(column) else "" for column in columns]
    return [None if is_published(column) else column[1] for column in columns]


def is_ranked(mark: TrainingMark, *, rank_all: bool) -> bool:
    """Return whether a score with a mark of its training data is ranked."""
    return rank_all or mark not in UNRANKED


def rank_texts(texts: Sequence[str | None], groups: Sequence[str | None], direction: str) -> list[Rank]:
    """Rank the scores of a line as they are printed.

    Scores that print the same share a rank. A score without a rival in its group has no rank.

    Args:
        texts: the printed scores; None for a score that does not compete.
        groups: the group of each.
        direction: "higher" or "lower", whichever is better.
    """
    ranks: list[Rank] = [None] * len(texts)
    for group in dict.fromkeys(group for group in groups if group is not None):
        members = [(i, float(text)) for i, text in enumerate(texts) if groups[i] == group and text is not None]
        if len(members) < 2:
            continue
        best_first = sorted({value for _, value in members}, reverse=direction == "higher")
        places = dict(zip(best_first, RANKS, strict=False))
        for i, value in members:
            ranks[i] = places.get(value)
    return ranks


def has_lone_scores(lines: Iterable[Sequence[Cell]], groups: Sequence[str | None], *, rank_all: bool) -> bool:
    """Return whether a line has a score that competes, but with no other of its group."""
    for cells in lines:
        competing = [
            group
            for group, cell in zip(groups, cells, strict=True)
            if group is not None and cell.value is not None and is_ranked(cell.training, rank_all=rank_all)
        ]
        if 1 in Counter(competing).values():
            return True
    return False
