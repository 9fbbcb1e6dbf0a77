"""Tables as text: no word is broken. Cells wrap between words, and a table that is too wide is split into several."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.table import Table
from rich.text import Text

from disbench.errors import escape_control_chars

GAP = 2  # characters between two columns
MAX_LINE = 30  # characters of a cell that stays on one line


@dataclass(frozen=True, kw_only=True)
class TableStyle:
    """How a table is laid out.

    Attributes:
        title: the title above the table.
        keys: number of first columns that are repeated where the table is split.
        right: heads of the columns that are aligned to the right.
        prose: heads of the columns whose cells may wrap at every space. In others, only long cells wrap.
    """

    title: str = ""
    keys: int = 1
    right: Collection[str] = ()
    prose: Collection[str] = ()


def layout_table(
    head: Sequence[str], rows: Sequence[Sequence[str | Text]], width: int, style: TableStyle
) -> Iterator[Text | Table]:
    """Lay out a table for a number of characters per line.

    Args:
        head: the heads of the columns.
        rows: the cells. Plain text is escaped: names from outside cannot style or steer the terminal.
        width: characters per line.
        style: title, repeated columns, alignment and wrapping.

    Yields:
        What is to be printed, in order: one table, or several that share their first columns. A word that is wider
        than its column even so is shortened in its middle.
    """
    columns = [_Column(cells, cells[0] in style.prose) for cells in zip(head, *rows, strict=True)]
    minimums = [column.minimum for column in columns]
    minimums[: style.keys] = _shrink(minimums[: style.keys], width // 2)
    for number, members in enumerate(_split_columns(minimums, style.keys, width)):
        widths = _fit_widths([columns[i].natural for i in members], [minimums[i] for i in members], width)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for i, fitted in zip(members, widths, strict=True):
            header = _shorten_words(columns[i].texts[0], fitted)
            table.add_column(header, width=fitted, justify="right" if head[i] in style.right else "left")
        for k in range(1, len(rows) + 1):
            cells = (columns[i].texts[k] for i in members)
            table.add_row(*map(_shorten_words, cells, widths))
        title = escape_control_chars(style.title)
        if number:
            yield Text()
        elif title and cell_len(title) <= _add_gaps(widths):
            table.title = Text(title)
        elif title:
            yield Text(title, "italic")  # a table folds its title, even within a word
        yield table


class _Column:
    """The cells of a column, its head first, with the width that fits them and the least width without broken words."""

    def __init__(self, cells: Sequence[str | Text], is_prose: bool):
        self.texts = [cell if isinstance(cell, Text) else Text(escape_control_chars(cell)) for cell in cells]
        widths = [cell_len(text.plain) for text in self.texts]
        words = [max(map(cell_len, text.plain.split()), default=0) for text in self.texts]
        self.natural = max(widths)
        wraps = is_prose or max(widths[1:], default=0) > MAX_LINE
        self.minimum = max(words if wraps else [words[0], *widths[1:]])  # a head always wraps


def _split_columns(minimums: Sequence[int], keys: int, width: int) -> list[list[int]]:
    """Distribute columns over tables that fit. The first ones are in every table."""
    blocks = [list(range(keys))]
    for i in range(keys, len(minimums)):
        if len(blocks[-1]) > keys and _add_gaps([minimums[k] for k in (*blocks[-1], i)]) > width:
            blocks.append(list(range(keys)))
        blocks[-1].append(i)
    return blocks


def _fit_widths(naturals: Sequence[int], minimums: Sequence[int], width: int) -> list[int]:
    """Return the widths of columns that fit, each no wider than its cells."""
    widths = _shrink(list(minimums), width - GAP * (len(minimums) - 1))
    while _add_gaps(widths) < width and widths != list(naturals):
        lacks = [natural - fitted for natural, fitted in zip(naturals, widths, strict=True)]
        widths[lacks.index(max(lacks))] += 1
    return widths


def _shrink(widths: list[int], limit: int) -> list[int]:
    """Make the widest columns narrower until their sum is within a limit."""
    while sum(widths) > max(limit, len(widths)):
        widths[widths.index(max(widths))] -= 1
    return widths


def _add_gaps(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _shorten_words(text: Text, width: int) -> Text:
    words = text.plain.split()
    if all(cell_len(word) <= width for word in words):
        return text
    return Text(" ".join(_shorten(word, width) for word in words), text.style)


def _shorten(word: str, width: int) -> str:
    if cell_len(word) <= width:
        return word
    rest = width - 1  # without the ellipsis
    return f"{set_cell_size(word, rest - rest // 2)}…{set_cell_size(word[::-1], rest // 2)[::-1]}"
