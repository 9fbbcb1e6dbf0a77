"""Marks of best, second and third in a paper's table: what its styles mean, and whether its numbers agree.

A paper says nowhere in its source what bold, underlined or red numbers are. The table itself says it: a style that most
often stands at the best number of a line marks the best. Papers also differ in which numbers they rank. Each of the
common ways is tried, and the one that explains the most marks counts.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from disbench.leaderboard.entry import Cells
from disbench.leaderboard.finding import Finding
from disbench.leaderboard.papers.layout import PaperCells
from disbench.leaderboard.rules import RANKS, check_marks, rank_line
from disbench.leaderboard.tables import Place, Published

MIN_SHARE = 0.5  # of the cells with a style, which must have the rank that it marks


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The marks of a table.

    Attributes:
        marks: cell -> "best", "second" or "third".
        findings: marks that contradict the numbers.
        notes: what each style marks, and which numbers are ranked together.
    """

    marks: dict[Place, str]
    findings: list[Finding]
    notes: list[str]


def read_marks(table: Published, cells: PaperCells) -> Marks:
    """Read the marks of a table, and check them."""
    attempts: list[tuple[int, int, Marks, dict[tuple[str, ...], str], list[str]]] = []
    for by_source, skip_signs in ((False, False), (False, True), (True, False), (True, True)):
        sources = split_sources(table, cells) if by_source else [table]
        parts = [_select_ranked(source, cells, skip_signs=skip_signs) for source in sources]
        meanings = _find_meanings(parts, cells)
        marks = {place: meanings[styles] for place, styles in cells.styles.items() if styles in meanings}
        findings = [finding for part in parts for finding in check_marks(_set_marks(part, marks))]
        words = ["within each source"] * by_source + ["without numbers that have a sign"] * skip_signs
        wrong = sum(len(finding.places) for finding in findings)
        wrong += sum(styles not in meanings for styles in cells.styles.values())
        attempts.append((wrong, len(attempts), Marks(marks=marks, findings=findings, notes=[]), meanings, words))
    _, _, result, meanings, words = min(attempts, key=lambda attempt: attempt[:2])
    notes = [f"{'+'.join(styles)} is read as {rank}" for styles, rank in meanings.items()]
    unused = {styles for styles in cells.styles.values() if styles not in meanings}
    notes += [f"{'+'.join(styles)} marks no rank" for styles in sorted(unused)]
    if words and result.marks:
        notes.append(f"its marks rank numbers {' and '.join(words)}")
    return replace(result, notes=notes)


def split_sources(table: Published, cells: PaperCells) -> list[Published]:
    """Split a table into the columns of each source, as the names of its methods tell them apart."""
    sources: dict[str, dict[str, Cells]] = {}
    for method, printed in table.columns.items():
        sources.setdefault(_find_source(method, cells), {})[method] = printed
    return [replace(table, columns=columns) for columns in sources.values()]


def _select_ranked(table: Published, cells: PaperCells, *, skip_signs: bool) -> Published:
    """Select the numbers that are ranked. A number without another was compared with nothing, or with others."""
    unranked = {place for place, signs in cells.signs.items() if skip_signs and re.search("[†§*]", signs)}

    def select(is_ranked: Callable[[Place], bool]) -> Published:
        columns = {
            method: {s: {m: text for m, text in row.items() if is_ranked((method, s, m))} for s, row in printed.items()}
            for method, printed in table.columns.items()
        }
        return replace(table, columns=columns)

    ranked = select(lambda place: place not in unranked)
    lines = {line for line in ranked.lines if len(ranked.line(*line)) > 1}
    return select(lambda place: place not in unranked and place[1:] in lines)


def _find_source(method: str, cells: PaperCells) -> str:
    """Return what tells the source of a column: brackets behind its name, or a sign."""
    match = re.search(r"[\[(][^\[\]()]*[\])]$", method)
    return match[0] if match else cells.heading_signs.get(method, "")


def _find_meanings(parts: list[Published], cells: PaperCells) -> dict[tuple[str, ...], str]:
    """Return style -> the rank that it marks, for styles that mostly stand at one rank."""
    counts: dict[tuple[str, ...], Counter] = {}
    for part in parts:
        for subset, metric in part.lines:
            ranks = rank_line(part, subset, metric)
            for method, rank in ranks.items():
                styles = cells.styles.get((method, subset, metric))
                if styles:
                    counts.setdefault(styles, Counter())[rank] += 1
    meanings: dict[tuple[str, ...], str] = {}
    for styles, counter in counts.items():
        rank, count = counter.most_common(1)[0]
        if rank < len(RANKS) and count > MIN_SHARE * counter.total():
            meanings[styles] = RANKS[rank]
    # A table that marks the third marks the second, too.
    used = {rank for n, rank in enumerate(RANKS) if set(RANKS[: n + 1]) <= set(meanings.values())}
    return {styles: rank for styles, rank in meanings.items() if rank in used}


def _set_marks(part: Published, marks: dict[Place, str]) -> Published:
    """Return a part of a table with the marks of its own numbers."""
    members = {(method, *line) for line in part.lines for method in part.line(*line)}
    return replace(part, marks=nest_marks({place: mark for place, mark in marks.items() if place in members}))


def nest_marks(marks: dict[Place, str]) -> dict[str, dict[str, dict[str, str]]]:
    """Return marks as a Published table has them: method -> subset -> metric -> mark."""
    nested: dict[str, dict[str, dict[str, str]]] = {}
    for (method, subset, metric), mark in marks.items():
        nested.setdefault(method, {}).setdefault(subset, {})[metric] = mark
    return nested
