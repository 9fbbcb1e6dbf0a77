"""From a grid to the numbers of a table: which of its rows and columns are methods, subsets and measures.

Measures and subsets are recognised by their names; what else heads the rows or the columns are methods. So methods may
be columns, as in Table 2 of the DiffDIS paper, or rows, with subsets as groups of columns or of rows.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from disbench.leaderboard.papers.grid import Grid
from disbench.leaderboard.papers.headings import (
    HeadingLine,
    Label,
    choose_methods,
    choose_metrics,
    find_label_columns,
    is_section,
    is_value,
    read_header,
    read_label_column,
    read_sections,
)
from disbench.leaderboard.papers.names import find_subsets, is_cost, is_missing, read_number, split_signs
from disbench.leaderboard.rules import UNBOUNDED
from disbench.leaderboard.tables import Place

UNNAMED = "(no subset named)"


@dataclass(kw_only=True)
class PaperCells:
    """What was read of a grid, and what was not.

    Attributes:
        columns: method -> subset -> metric -> digits as printed.
        styles: the styles of a number, where it has some.
        signs: the signs and superscripts behind a number, where it has some.
        heading_signs: method -> the signs behind its name.
        unread: one line for each column, row or cell that was not read.
        notes: how headings were read that leave something open.
    """

    columns: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    styles: dict[Place, tuple[str, ...]] = field(default_factory=dict)
    signs: dict[Place, str] = field(default_factory=dict)
    heading_signs: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_cells(grid: Grid) -> PaperCells | None:
    """Read the numbers of a grid. None: it has no measures and no numbers, so it is no table of scores."""
    rows = grid.rows
    head = next((i for i, row in enumerate(rows) if any(is_value(cell) for cell in row)), len(rows))
    while head > 1 and is_section(rows[head - 1]):
        head -= 1
    body = [i for i in range(head, len(rows)) if not is_section(rows[i])]
    label_columns = find_label_columns(rows, body)
    value_columns = [i for i in range(len(rows[0]) if rows else 0) if i not in label_columns]
    across = [read_header(rows, row, label_columns, value_columns) for row in range(head)]
    down = [read_label_column(rows, column, head, body) for column in label_columns]
    choose_metrics(across, down)
    cells = PaperCells()
    if not body or not any(line.kind in ("metric", "both") for line in (*across, *down)):
        return None
    methods = choose_methods(across, down, cells.unread)
    if methods is None:
        return None
    sections = read_sections(rows, head)
    named = find_subsets(grid.caption)
    default = named.pop() if len(named) == 1 else UNNAMED
    reader = _Reader(grid=grid, across=across, down=down, methods=methods, default=default, cells=cells)
    for row in body:
        for column in value_columns:
            reader.read(row, column, sections.get(row))
    reader.finish()
    return cells


@dataclass(kw_only=True)
class _Reader:
    """Puts the numbers of a grid into place."""

    grid: Grid
    across: Sequence[HeadingLine]
    down: Sequence[HeadingLine]
    methods: HeadingLine
    default: str
    cells: PaperCells
    sources: dict[Place, tuple[int, int]] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    assumed: dict[str, str] = field(default_factory=dict)

    def read(self, row: int, column: int, section: str | None) -> None:
        """Read one cell, or note why it is not read."""
        text = self.grid.rows[row][column].text
        labels = [line.labels[column] for line in self.across if line.kind != "other"]
        labels += [line.labels[row] for line in self.down if line.kind != "other"]
        metric = next((label.metric for label in labels if label.metric), None)
        if any(is_cost(label.text) for label in labels):
            metric = None
        name = self.methods.labels.get(column if self.methods in self.across else row, Label()).text
        if is_missing(text):
            return
        if metric is None:
            headings = " ".join(dict.fromkeys(label.text for label in labels if label.text))
            place = f"column {column + 1}" if any(line.kind != "subset" for line in self.across) else f"row {row + 1}"
            self._skip(f"{place} ({headings or 'no heading'}): no measure that disbench knows")
            return
        number = read_number(text)
        if number is None:
            self.cells.unread.append(f"row {row + 1}, column {column + 1}: {text!r:.60} is not one number")
            return
        if not name or is_cost(name):
            place = f"column {column + 1}" if self.methods in self.across else f"row {row + 1}"
            self._skip(f"{place} ({name or 'no heading'}): names no method")
            return
        subset = self._find_subset(labels, section)
        self._store((name, subset, metric.key), (row, column), *number)
        if metric.is_assumed:
            heading = next(label.text for label in labels if label.metric)
            self.assumed[heading] = metric.key

    def _find_subset(self, labels: Sequence[Label], section: str | None) -> str:
        named = next((label.subset for label in labels if label.subset), None)
        other = next(
            (
                label.text
                for line, label in zip([*self.across, *self.down], labels, strict=False)
                if line.kind == "subset" and label.text
            ),
            None,
        )
        return named or section or other or self.default

    def _store(self, place: Place, source: tuple[int, int], digits: str, signs: str) -> None:
        heading, subset, metric = place
        method, heading_signs = split_signs(heading)
        method = re.sub(r"_\{([^{}]*)\}", r"\1", re.sub(r"\^\{([^{}]*)\}", r"\1", method)) or heading
        line = source[1] if self.methods in self.across else source[0]
        if (method, subset, metric) in self.sources:
            # Two lines of one name stay apart.
            word = "column" if self.methods in self.across else "row"
            method = f"{method} ({word} {line + 1})"
        place = (method, subset, metric)
        self.sources[place] = source
        self.cells.columns.setdefault(method, {}).setdefault(subset, {})[metric] = digits
        styles = self.grid.rows[source[0]][source[1]].styles
        if styles:
            self.cells.styles[place] = styles
        if signs:
            self.cells.signs[place] = signs
        if heading_signs:
            self.cells.heading_signs[method] = heading_signs

    def _skip(self, reason: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1

    def finish(self) -> None:
        """Add what was skipped and assumed to the lines about the table."""
        for reason, count in self.skipped.items():
            self.cells.unread.append(f"{reason} ({count} {'cell' if count == 1 else 'cells'})")
        for heading, key in self.assumed.items():
            self.cells.notes.append(f"{heading} names no variant and is read as {key}")
        if any(UNNAMED in cells for cells in self.cells.columns.values()):
            self.cells.notes.append("neither heading nor caption names the subset, so the mean is not checked")
        self.cells.notes += self._read_percent()

    def _read_percent(self) -> Iterator[str]:
        """Divide the measures that are printed in percent by 100."""
        percent = []
        for key in dict.fromkeys(metric for _, _, metric in self.sources if metric not in UNBOUNDED):
            rows = [row for cells in self.cells.columns.values() for row in cells.values() if key in row]
            if all(1 < float(row[key]) <= 100 for row in rows):
                percent.append(key)
                for row in rows:
                    row[key] = _shift(row[key])
        if percent:
            yield f"{', '.join(percent)}: printed in percent, read as hundredths"


def _shift(digits: str) -> str:
    """Move the point of a number two places to the left."""
    whole, _, decimals = digits.partition(".")
    whole = whole.rjust(3, "0")
    return f"{whole[:-2]}.{whole[-2:]}{decimals}"
