"""The layout of a table on paper: methods as columns or as rows, and cut where it would print too small.

A table that is too wide or too high for its place is scaled down, and prints smaller than 10 pt by as much.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby, pairwise

from disbench.reports.cells import Cell
from disbench.reports.options import LAYOUTS
from disbench.reports.table import Table, TableLine
from disbench.reports.width import BOLD, SCRIPT, SIZE, measure_symbol, measure_text
from disbench.system.progress import announce_once

READABLE = 6.0  # points: no text of a table should be smaller
COMFORTABLE = 8.0  # points, from which a table may stand in one column of a page
COLUMN_WIDTH, TEXT_WIDTH = 237.0, 345.0  # points: the narrowest of common classes (CVPR's, article's)
TEXT_HEIGHT = 549.0  # points: the lowest (of llncs)
NARROW_SEPARATOR, WIDE_SEPARATOR = 3.5, 2.5  # points on each side of a column, in narrow and in wide tables
LINE, RULE, CAPTION_LINE, NOTE_LINE = 13.5, 6.0, 12.0, 8.0  # points
CAPTION_CHAR, NOTE_CHAR = 4.8, 3.7  # points, mean of prose
SIGN = 4.5  # points, of a sign of training data
CITATION = "~[00]"  # takes as much place as a citation by number


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A piece of a table: some columns of some of its lines."""

    columns: tuple[int, ...]
    lines: tuple[TableLine, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a table is laid out.

    Attributes:
        layout: "columns" or "rows": where the methods are.
        rotated: whether the names of methods over columns are upright.
        tables: the panels of each table, one below the other.
        wide: whether the tables span both columns of a page.
        points: the size of the smallest printed text.
        width: the width that the points are for, in points.
        height: the fraction of a page's height that a table may take without its caption and notes.
        separator: points on each side of a column.
    """

    layout: str
    rotated: bool
    tables: tuple[tuple[Panel, ...], ...]
    wide: bool
    points: float
    width: float
    height: float
    separator: float

    @property
    def pieces(self) -> int:
        """The number of panels."""
        return sum(map(len, self.tables))


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a table has to fit: a width in points, next to the characters of its caption and of the notes below it."""

    width: float
    caption: int
    notes: int
    intervals: bool = False

    def count_height(self, *, several: bool) -> float:
        """Return the points of height that the caption and the notes leave.

        Of several tables, the first has the caption and the last the notes.
        """
        caption = (self.caption * CAPTION_CHAR // self.width + 1) * CAPTION_LINE
        notes = (self.notes * NOTE_CHAR // self.width + 1) * NOTE_LINE if self.notes else 0.0
        text = max(caption, notes) if several else caption + notes
        return max(TEXT_HEIGHT - text - 5 * CAPTION_LINE, 0.2 * TEXT_HEIGHT)


def lay_out(table: Table, space: Space, layout: str | None = None, *, wide: bool | None = None) -> tuple[Table, Plan]:
    """Plan the layout of a table as `plan_table` does, and return the table with its `transposed` as planned."""
    plan = plan_table(table, space, layout or ("rows" if table.transposed else None), wide=wide)
    return replace(table, transposed=plan.layout == "rows" and len(table.groups) == 1), plan


def announce_plan(plan: Plan) -> None:
    """Announce that a table is not readable in one piece."""
    if plan.points < READABLE:
        announce_once(
            f"the smallest text of the table prints at {plan.points:.1f} pt; show less with --split or --metrics, or "
            f"try --layout {'rows' if plan.layout == 'columns' else 'columns'}"
        )
    elif len(plan.tables) > 1:
        announce_once(f"{len(plan.tables)} tables in place of one, so that text prints at {READABLE:.0f} pt or more")


def plan_table(table: Table, space: Space, layout: str | None = None, *, wide: bool | None = None) -> Plan:
    """Plan the layout of a table.

    Args:
        table: the table.
        space: the space that it has across a page.
        layout: "columns" or "rows". None: the one in fewer pieces, then columns.
        wide: whether the table spans both columns of a page. None: unless it is comfortable to read in one.
    """
    if wide is None:
        column = replace(space, width=min(COLUMN_WIDTH, space.width))
        plan = _choose_layout(table, column, layout, wide=False)
        if plan.pieces == 1 and plan.points >= COMFORTABLE and not plan.rotated:
            return plan
    return _choose_layout(table, space, layout, wide=wide is not False)


def _choose_layout(table: Table, space: Space, layout: str | None, *, wide: bool) -> Plan:
    plans = [_plan_layout(table, space, name, wide=wide) for name in ([layout] if layout else LAYOUTS)]
    return min(plans, key=lambda plan: (plan.points < READABLE, plan.pieces))


def _plan_layout(table: Table, space: Space, layout: str, *, wide: bool) -> Plan:
    separator = WIDE_SEPARATOR if wide else NARROW_SEPARATOR
    ruler = Ruler(table=table, layout=layout, separator=separator, intervals=space.intervals)
    attempts = [(rotated, across) for across in range(1, ruler.count_across() + 1) for rotated in ruler.turns]
    panels, scale, rotated = [], 0.0, False
    for rotated, across in attempts:
        panels = list(_cut(table, layout, across))
        scale = min(1.0, space.width / max(ruler.measure_width(panel, rotated=rotated) for panel in panels))
        if scale * SIZE >= READABLE:
            break
    tables: tuple[tuple[Panel, ...], ...] = (tuple(panels),)
    height = space.count_height(several=False)
    if sum(ruler.measure_height(panel, rotated=rotated) for panel in panels) * READABLE / SIZE > height:
        height = space.count_height(several=True)
        tables = _fill_tables(ruler, panels, height * SIZE / READABLE, rotated=rotated)
    heights = [sum(ruler.measure_height(panel, rotated=rotated) for panel in part) for part in tables]
    scale = min(scale, *(height / total for total in heights))
    return Plan(
        layout=layout,
        rotated=rotated,
        tables=tables,
        wide=wide,
        points=scale * SIZE,
        width=space.width,
        height=height / TEXT_HEIGHT,
        separator=ruler.separator,
    )


def _cut(table: Table, layout: str, across: int) -> Iterator[Panel]:
    """Cut a table across, into panels of methods or of subsets; of one subset, into panels of metrics."""
    if layout == "columns":
        for columns in _share(range(len(table.columns)), across):
            yield _trim(columns, table.lines)
        return
    for lines in _share_lines(table.lines, across):
        yield _trim(range(len(table.columns)), lines)


def _trim(columns: Sequence[int], lines: Sequence[TableLine]) -> Panel:
    """Make a panel of the columns and lines that have a number in it."""
    return Panel(
        columns=tuple(i for i in columns if any(line.cells[i].value is not None for line in lines)),
        lines=tuple(line for line in lines if any(line.cells[i].value is not None for i in columns)),
    )


def _share(units: Sequence, parts: int) -> Iterator[Sequence]:
    """Cut a sequence into parts of nearly equal length, of which none is empty."""
    parts = min(parts, len(units))
    bounds = [len(units) * k // parts for k in range(parts + 1)]
    for start, end in pairwise(bounds):
        yield units[start:end]


def _share_lines(lines: Sequence[TableLine], parts: int) -> Iterator[list[TableLine]]:
    """Cut lines into parts. Those of a subset stay together where there are enough subsets."""
    groups = [list(group) for _, group in groupby(lines, lambda line: line.split)]
    units = groups if parts <= len(groups) else [[line] for line in lines]
    for part in _share(units, parts):
        yield [line for group in part for line in group]


def _fill_tables(
    ruler: Ruler, panels: Sequence[Panel], room: float, *, rotated: bool
) -> tuple[tuple[Panel, ...], ...]:
    """Distribute panels over tables of at most `room` points at 10 pt. A panel that is higher is cut itself."""
    tables: list[list[Panel]] = [[]]
    used = 0.0
    for panel in panels:
        parts = int(ruler.measure_height(panel, rotated=rotated) // room) + 1
        for piece in _cut_down(panel, ruler.layout, parts):
            piece_height = ruler.measure_height(piece, rotated=rotated)
            if tables[-1] and used + piece_height > room:
                tables.append([])
                used = 0.0
            tables[-1].append(piece)
            used += piece_height
    return tuple(map(tuple, tables))


def _cut_down(panel: Panel, layout: str, parts: int) -> Iterator[Panel]:
    """Cut a panel into panels of fewer rows."""
    if layout == "rows":
        for columns in _share(panel.columns, parts):
            yield replace(panel, columns=tuple(columns))
        return
    for lines in _share_lines(panel.lines, parts):
        yield replace(panel, lines=tuple(lines))


@dataclass(frozen=True, kw_only=True)
class Ruler:
    """Measures the panels of a table in a layout, in points at 10 pt; with the intervals of scores, or without."""

    table: Table
    layout: str
    separator: float
    intervals: bool = False

    @property
    def turns(self) -> tuple[bool, ...]:
        """Whether names of methods may be rotated: they are tried as they are first."""
        return (False, True) if self.layout == "columns" else (False,)

    def count_across(self) -> int:
        """Return the largest number of panels that the table can be cut into across."""
        return len(self.table.columns) if self.layout == "columns" else len(self.table.lines)

    @cached_property
    def headings(self) -> list[float]:
        """The width of each method's heading."""
        papers = self.table.papers or [""] * len(self.table.columns)
        return [
            measure_text(name + CITATION * bool(paper)) + measure_text(str(number) if number else "", SCRIPT)
            for name, number, paper in zip(self.table.names, self.table.numbers, papers, strict=True)
        ]

    def measure_width(self, panel: Panel, *, rotated: bool) -> float:
        """Return the width of a panel."""
        symbols = [measure_symbol(line.metric) for line in panel.lines]
        if self.layout == "columns":
            subsets = [measure_text(self.table.subset_label(line)) for line in panel.lines]
            labels = [max(measure_text("Subset"), *subsets), max(measure_text("Metric"), *symbols)]
            heads = [LINE if rotated else self.headings[i] for i in panel.columns]
            columns = [
                max(head, *(self._measure_cell(line, i) for line in panel.lines))
                for head, i in zip(heads, panel.columns, strict=True)
            ]
        else:
            labels = [max(measure_text("Method"), *(self.headings[i] for i in panel.columns))]
            columns = [
                max(symbol, *(self._measure_cell(line, i) for i in panel.columns))
                for symbol, line in zip(symbols, panel.lines, strict=True)
            ]
        widths = labels + columns
        return sum(widths) + 2 * self.separator * (len(widths) - 1)

    def measure_height(self, panel: Panel, *, rotated: bool) -> float:
        """Return the height of a panel, with its rules."""
        if self.layout == "columns":
            head = max(self.headings[i] for i in panel.columns) if rotated else LINE
            splits = len(dict.fromkeys(line.split for line in panel.lines))
            return head + LINE * len(panel.lines) + RULE * (splits + 2)
        return LINE * (len(panel.columns) + 2) + 4 * RULE

    def _measure_cell(self, line: TableLine, column: int) -> float:
        cell: Cell = line.cells[column]
        width = measure_text(cell.text) * (BOLD if cell.rank == "best" else 1.0)
        width += SIGN if cell.training else 0.0
        if cell.interval and self.intervals:
            digits = self.table.count_digits(line.metric)
            low, high = cell.interval
            width += measure_text(f" [{low:.{digits}f}, {high:.{digits}f}]", SCRIPT)
        return width
