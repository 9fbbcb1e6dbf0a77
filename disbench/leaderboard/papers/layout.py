"""From a grid to the numbers of a table: which of its rows and columns are methods, subsets and measures.

Measures and subsets are recognised by their names; what else heads the rows or the columns are methods. So methods may
be columns, as in Table 2 of the DiffDIS paper, or rows, with subsets as groups of columns or of rows.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from disbench.leaderboard.papers.grid import Grid
from disbench.leaderboard.papers.headings import (
    HeadingLine,
    choose_methods,
    choose_metrics,
    find_label_columns,
    find_sections,
    is_value,
    read_header,
    read_label_column,
    read_sections,
    split_blocks,
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
        assumed: heading of a measure that names no variant -> what it is read as.
        notes: how headings were read that leave something open.
    """

    columns: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    styles: dict[Place, tuple[str, ...]] = field(default_factory=dict)
    signs: dict[Place, str] = field(default_factory=dict)
    heading_signs: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    assumed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_cells(grids: Sequence[Grid]) -> PaperCells:
    """Read the numbers of a table, which may have several parts."""
    cells = PaperCells()
    names: dict[str, str] = {}
    parts = [
        replace(grid, rows=grid.rows[start:end], first_row=start)
        for grid in grids
        for start, end in split_blocks(grid.rows)
    ]
    for part in parts:
        reader = _make_reader(part, cells, names, prefix=f"{part.name}, " if len(grids) > 1 else "")
        if reader:
            reader.read_all()
        elif count := sum(is_value(cell) for row in part.rows for cell in row):
            first, last = part.first_row + 1, part.first_row + len(part.rows)
            cells.unread.append(f"{part.name}, rows {first} to {last}: no heading names a measure ({count} numbers)")
    cells.notes += _describe_notes(cells)
    return cells


def _make_reader(grid: Grid, cells: PaperCells, names: dict[str, str], *, prefix: str) -> "_Reader | None":
    rows = grid.rows
    head = next((i for i, row in enumerate(rows) if any(is_value(cell) for cell in row)), len(rows))
    sections = find_sections(rows)
    while head > 1 and head - 1 in sections:
        head -= 1
    body = [i for i in range(head, len(rows)) if i not in sections]
    label_columns = find_label_columns(rows, body)
    value_columns = [i for i in range(len(rows[0]) if rows else 0) if i not in label_columns]
    across = [read_header(rows, row, label_columns, value_columns) for row in range(head)]
    down = [read_label_column(rows, column, head, body) for column in label_columns]
    choose_metrics(across, down)
    if not body or not any(line.kind in ("metric", "both") for line in (*across, *down)):
        return None
    unread: list[str] = []
    methods = choose_methods(across, down, unread)
    if methods is None:
        return None
    cells.unread += [f"{prefix}{line}" for line in unread]
    named = find_subsets(grid.caption)
    return _Reader(
        grid=grid,
        across=across,
        down=down,
        methods=methods,
        places=[(row, column) for row in body for column in value_columns],
        sections=read_sections(rows, sections, head),
        default=named.pop() if len(named) == 1 else UNNAMED,
        cells=cells,
        names=names,
        prefix=prefix,
    )


@dataclass(kw_only=True)
class _Reader:
    """Puts the numbers of a part of a table into place.

    Attributes:
        grid: the part.
        across: its header rows.
        down: its label columns.
        methods: the one of them that names methods.
        places: (row, column) of its cells.
        sections: row -> the subset that a row above names.
        default: the subset where no heading names one.
        cells: what was read of this table so far.
        names: heading of a method -> its name.
        prefix: what messages begin with.
    """

    grid: Grid
    across: Sequence[HeadingLine]
    down: Sequence[HeadingLine]
    methods: HeadingLine
    places: Sequence[tuple[int, int]]
    sections: Mapping[int, str]
    default: str
    cells: PaperCells
    names: dict[str, str]
    prefix: str

    def read_all(self) -> None:
        """Read all cells. What is not read is counted by its reason."""
        skipped = Counter(reason for row, column in self.places if (reason := self._read(row, column)))
        for reason, count in skipped.items():
            cells = f" ({count} {'cell' if count == 1 else 'cells'})" if "is not one number" not in reason else ""
            self.cells.unread.append(f"{self.prefix}{reason}{cells}")

    def _read(self, row: int, column: int) -> str | None:
        """Read one cell. Returns why it is not read."""
        text = self.grid.rows[row][column].text
        if is_missing(text):
            return None
        labels = [line.labels[column] for line in self.across if line.kind != "other"]
        labels += [line.labels[row] for line in self.down if line.kind != "other"]
        metric = next((label.metric for label in labels if label.metric), None)
        row_name, column_name = f"row {self.grid.first_row + row + 1}", f"column {column + 1}"
        if metric is None or any(is_cost(label.text) for label in labels):
            headings = " ".join(dict.fromkeys(label.text for label in labels if label.text))
            place = column_name if any(line.kind in ("metric", "both") for line in self.across) else row_name
            return f"{place} ({headings or 'no heading'}): no measure that disbench knows"
        number = read_number(text)
        if number is None:
            return f"{row_name}, {column_name}: {text!r:.60} is not one number"
        is_across = self.methods in self.across
        name = self.methods.labels[column if is_across else row].text
        if not name or is_cost(name):
            return f"{column_name if is_across else row_name} ({name or 'no heading'}): names no method"
        subset = next((label.subset for label in labels if label.subset), None) or self.sections.get(row)
        subset = subset or self._find_other_subset(row, column) or self.default
        method = self._name_method(name)
        if metric.key in self.cells.columns.get(method, {}).get(subset, {}):
            # Two lines of one name stay apart.
            method = f"{method} ({self.prefix}{column_name if is_across else row_name})"
        self._store((method, subset, metric.key), (row, column), *number)
        if metric.is_assumed:
            self.cells.assumed[next(label.text for label in labels if label.metric)] = metric.key
        return None

    def _find_other_subset(self, row: int, column: int) -> str | None:
        """Return the heading of a subset that is none of DIS5K, next to some that are."""
        places = [(line, column) for line in self.across] + [(line, row) for line in self.down]
        texts = (line.labels[place].text for line, place in places if line.kind == "subset")
        return next((text for text in texts if text), None)

    def _name_method(self, heading: str) -> str:
        """Return the name of a method without the signs behind it, unless another has this name."""
        if heading not in self.names:
            base, signs = split_signs(heading)
            name = re.sub(r"[_^]\{([^{}]*)\}", r"\1", base) or heading
            mark = re.sub(r"[\^{}]", "", signs)
            name = f"{name} ({mark})" if name in self.names.values() and mark else name
            self.names[heading] = name
            if signs:
                self.cells.heading_signs[name] = signs
        return self.names[heading]

    def _store(self, place: Place, source: tuple[int, int], digits: str, signs: str) -> None:
        method, subset, metric = place
        self.cells.columns.setdefault(method, {}).setdefault(subset, {})[metric] = digits
        styles = self.grid.rows[source[0]][source[1]].styles
        if styles:
            self.cells.styles[place] = styles
        if signs:
            self.cells.signs[place] = signs


def _describe_notes(cells: PaperCells) -> Iterator[str]:
    """Describe what headings leave open, and divide the measures that are printed in percent by 100."""
    for heading, key in cells.assumed.items():
        yield f"{heading} names no variant and is read as {key}"
    if any(UNNAMED in printed for printed in cells.columns.values()):
        yield "neither heading nor caption names the subset, so the mean is not checked"
    rows = [row for printed in cells.columns.values() for row in printed.values()]
    percent = [
        key
        for key in dict.fromkeys(key for row in rows for key in row if key not in UNBOUNDED)
        if all(1 < float(row[key]) <= 100 for row in rows if key in row)
    ]
    for row in rows:
        row |= {key: _shift(row[key]) for key in percent if key in row}
    if percent:
        yield f"{', '.join(percent)}: printed in percent, read as hundredths"


def _shift(digits: str) -> str:
    """Move the point of a number two places to the left."""
    whole, _, decimals = digits.partition(".")
    whole = whole.rjust(3, "0")
    return f"{whole[:-2]}.{whole[-2:]}{decimals}"
