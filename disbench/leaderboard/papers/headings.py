"""The headings of a grid: which rows and columns are headings, and what they name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from disbench.leaderboard.papers.grid import GridCell
from disbench.leaderboard.papers.names import (
    NamedMetric,
    is_missing,
    read_number,
    recognise_both,
    recognise_metric,
    recognise_subset,
)

_METHOD_HEADING = re.compile(r"method|model|network|approach|name|algorithm", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a heading names; None: nothing of the kind."""

    text: str = ""
    subset: str | None = None
    metric: NamedMetric | None = None


@dataclass(kw_only=True)
class HeadingLine:
    """The headings along one header row or one label column.

    Attributes:
        labels: place along the line -> heading.
        kind: "subset", "metric", "both" or "other".
        heading: the text in the corner.
        name: what messages call the line.
    """

    labels: dict[int, Label]
    kind: str
    heading: str
    name: str


def is_value(cell: GridCell) -> bool:
    """Return whether a cell holds a number."""
    return read_number(cell.text) is not None


def find_sections(rows: Sequence[Sequence[GridCell]]) -> set[int]:
    """Find rows with one text over all their columns, as "DIS-TE1" above the rows of that subset.

    Where the first column is empty, such a row heads columns, unless numbers follow.
    """
    sections = set()
    for i, row in enumerate(rows):
        texts = {cell.text for cell in row if cell.text}
        spans = all(cell.columns > 1 for cell in row if cell.text) or len(row) > 2
        if len(texts) == 1 and spans and not any(map(is_value, row)):
            is_followed = i + 1 < len(rows) and any(map(is_value, rows[i + 1]))
            sections |= {i} if row[0].text or is_followed else set()
    return sections


def split_blocks(rows: Sequence[Sequence[GridCell]]) -> list[tuple[int, int]]:
    """Split a table where its headings are repeated below numbers: (first row, row behind the last) of each block."""
    starts = [0]
    has_numbers = False
    sections = find_sections(rows)
    for i, row in enumerate(rows):
        labels = [cell.text for cell in row[1:] if recognise_metric(cell.text) or recognise_subset(cell.text)]
        is_heading = len(labels) > 1 and not any(map(is_value, row)) and i not in sections
        if is_heading and has_numbers:
            starts.append(i)
            has_numbers = False
        has_numbers = has_numbers or any(map(is_value, row))
    return list(zip(starts, [*starts[1:], len(rows)], strict=True))


def read_sections(rows: Sequence[Sequence[GridCell]], sections: set[int], head: int) -> dict[int, str]:
    """Return row -> the subset that a section above it names, for all rows until the next section."""
    subsets: dict[int, str] = {}
    subset = None
    for i, row in enumerate(rows):
        if i in sections:
            text = next(cell.text for cell in row if cell.text)
            subset = recognise_subset(text) or (subset if i < head else None)
        elif subset and i >= head:
            subsets[i] = subset
    return subsets


def find_label_columns(rows: Sequence[Sequence[GridCell]], body: Sequence[int]) -> list[int]:
    """Find the columns whose cells are mostly texts, not numbers."""
    columns = []
    for column in range(len(rows[0]) if rows else 0):
        texts = [rows[row][column] for row in body if not is_missing(rows[row][column].text)]
        if texts and 2 * sum(map(is_value, texts)) < len(texts):
            columns.append(column)
    return columns


def read_header(
    rows: Sequence[Sequence[GridCell]], row: int, label_columns: Sequence[int], value_columns: Sequence[int]
) -> HeadingLine:
    """Read a header row above the columns of numbers."""
    texts = {column: rows[row][column].text for column in value_columns}
    heading = next((rows[row][column].text for column in label_columns if rows[row][column].text), "")
    return _make_line(texts, heading, f"row {row + 1}")


def read_label_column(rows: Sequence[Sequence[GridCell]], column: int, head: int, body: Sequence[int]) -> HeadingLine:
    """Read a column of headings before the rows of numbers."""
    texts = {row: rows[row][column].text for row in body}
    heading = next((rows[row][column].text for row in range(head) if rows[row][column].text), "")
    line = _make_line(texts, heading, f"column {column + 1}")
    if _METHOD_HEADING.search(heading):  # a method may be called C or P
        line.kind = "other"
    return line


def _make_line(texts: dict[int, str], heading: str, name: str) -> HeadingLine:
    """Decide what a line of headings names. A blank heading continues the last."""
    labels: dict[int, Label] = {}
    last = ""
    for place, text in texts.items():
        last = text or last
        subset, metric, both = recognise_subset(last), recognise_metric(last), recognise_both(last)
        if both and not subset and not metric:
            subset, metric = both
        labels[place] = Label(text=last, subset=subset, metric=metric)
    distinct = {label.text: label for label in labels.values() if label.text}.values()
    metrics, subsets, pairs = (
        sum(map(test, distinct))
        for test in (
            lambda label: bool(label.metric and not label.subset),
            lambda label: bool(label.subset and not label.metric),
            lambda label: bool(label.subset and label.metric),
        )
    )
    kind = "other"
    if pairs and pairs >= max(metrics, subsets):
        kind = "both"
    elif metrics and 3 * metrics >= len(distinct):
        kind = "metric"
    elif subsets and 3 * subsets >= len(distinct):
        kind = "subset"
    return HeadingLine(labels=labels, kind=kind, heading=heading, name=name)


def choose_metrics(across: Sequence[HeadingLine], down: Sequence[HeadingLine]) -> None:
    """Take measures from the headings of columns or of rows, wherever more of them are known."""

    def count(lines: Sequence[HeadingLine]) -> int:
        labels = (label for line in lines if line.kind in ("metric", "both") for label in line.labels.values())
        return len({label.text for label in labels if label.metric})

    weaker = across if count(across) < count(down) else down
    if count(across) and count(down):
        for line in weaker:
            line.kind = "other" if line.kind in ("metric", "both") else line.kind


def choose_methods(across: Sequence[HeadingLine], down: Sequence[HeadingLine], unread: list[str]) -> HeadingLine | None:
    """Choose the line that names the methods. The other lines that name neither subset nor measure are not read."""
    rows = [line for line in across if line.kind == "other" and any(label.text for label in line.labels.values())]
    columns = [line for line in down if line.kind == "other"]
    metric_is_across = any(line.kind in ("metric", "both") for line in across)
    candidates = columns if metric_is_across or not rows else rows
    if not candidates:
        return None

    def rank(line: HeadingLine) -> tuple[bool, int]:
        names = {label.text for label in line.labels.values()}
        return bool(_METHOD_HEADING.search(line.heading)), len(names) if candidates is rows else 0

    chosen = max(candidates, key=rank)
    for line in (*rows, *columns):
        if line is not chosen:
            first = line.heading or next((label.text for label in line.labels.values() if label.text), "")
            unread.append(f"{line.name} ({first:.40}): names no subset, measure or method")
    return chosen
