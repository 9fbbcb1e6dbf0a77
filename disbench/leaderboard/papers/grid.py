"""A table of a paper's source as a grid of cells, before it is known what its rows and columns are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

MAX_BYTES = 1 << 21  # of a file with tables
MAX_TABLES = 200  # of a file
MAX_CELLS = 50_000  # of a grid, spans included
MAX_METHODS = 500  # of a table
MAX_CHARS = 2000  # of a cell
MAX_SPAN = 1000  # rows or columns of a cell


@dataclass(frozen=True, kw_only=True)
class GridCell:
    """A cell.

    Attributes:
        text: its plain text. A superscript is ^{text}, a subscript _{text}.
        styles: how it is set off, as "bold", "underline", "colour red" or a macro's name, sorted.
        columns: the number of columns that it spans.
        rows: the number of rows that it spans; negative upwards.
    """

    text: str
    styles: tuple[str, ...] = ()
    columns: int = 1
    rows: int = 1


EMPTY = GridCell(text="")


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table as its source has it.

    Attributes:
        name: what the audit calls it, as "table 2 (line 40)".
        caption: its caption as plain text; "" if there is none.
        rows: rows of cells, all of one length. A cell that spans several places is in each.
        first_row: the number of rows of the source above these.
        continues: whether the table before continues here.
    """

    name: str
    caption: str
    rows: tuple[tuple[GridCell, ...], ...]
    first_row: int = 0
    continues: bool = False


def spread_spans(rows: Sequence[Sequence[GridCell]]) -> tuple[tuple[GridCell, ...], ...]:
    """Put each cell into every place that it spans, and fill all rows to one length.

    Raises:
        ValueError: for a table of more than MAX_CELLS cells.
    """
    # Sizes are checked before anything of that size is made.
    width = max((sum(cell.columns for cell in row) for row in rows), default=0)
    spanned = sum(cell.columns * abs(cell.rows) for row in rows for cell in row)
    if max(width * len(rows), spanned) > MAX_CELLS:
        raise ValueError(f"a table has more than {MAX_CELLS:,} cells")
    lines = [[cell for cell in row for _ in range(cell.columns)] for row in rows]
    grid = [line + [EMPTY] * (width - len(line)) for line in lines]
    for row, line in enumerate(lines):
        for column, cell in enumerate(line):
            step = 1 if cell.rows > 0 else -1
            for other in range(row + step, row + cell.rows, step) if abs(cell.rows) > 1 else ():
                # The places below a cell of several rows are empty in the source.
                if 0 <= other < len(grid) and not grid[other][column].text:
                    grid[other][column] = replace(cell, rows=1)
    return tuple(map(tuple, grid))
