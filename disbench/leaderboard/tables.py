"""Published tables as printed: the numbers of a paper as text, with its marks of best and second."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from disbench.data.training import TrainedOn
from disbench.leaderboard.entry import Cells, Entry, Reported, read_entry
from disbench.system.documents import read_json

Place = tuple[str, str, str]  # method, subset, metric
TableName = tuple[str, str, bool]  # paper, table, whether its numbers are reproduced


@dataclass(frozen=True)
class Published:
    """A table as printed.

    Attributes:
        paper: the paper's citation.
        table: the table's name in the paper.
        columns: method -> subset -> metric -> printed text.
        marks: method -> subset -> metric -> "best" or "second"; "third" only in tables of a paper's source.
        trained_on: method -> the splits that it was trained on, or "unstated". Methods without a record are omitted.
        sees_truth: the methods that received ground truth.
        reproduced: whether others than the methods' authors made the maps, and scored them with the authors' script.
        secondhand: whether the numbers were read at a page that quotes the table.
    """

    paper: str
    table: str
    columns: dict[str, Cells]
    marks: dict[str, Cells] = field(default_factory=dict)
    trained_on: dict[str, TrainedOn] = field(default_factory=dict)
    sees_truth: tuple[str, ...] = ()
    reproduced: bool = False
    secondhand: bool = False

    @property
    def name(self) -> TableName:
        """The paper, the table in it, and whether its numbers are reproduced."""
        return self.paper, self.table, self.reproduced

    @property
    def citation(self) -> str:
        """The paper's citation, and what kind of source it is if it is not the common one."""
        kinds = {"a reproduction by others": self.reproduced, "read secondhand": self.secondhand}
        return ", ".join([self.paper, *(words for words, applies in kinds.items() if applies)])

    def text(self, method: str, subset: str, metric: str) -> str | None:
        """Return the printed text of a cell. None: the table has no such cell."""
        return self.columns[method].get(subset, {}).get(metric)

    def mark(self, method: str, subset: str, metric: str) -> str | None:
        """Return the mark of a cell. None: the cell is not marked."""
        return self.marks.get(method, {}).get(subset, {}).get(metric)

    @property
    def lines(self) -> list[tuple[str, str]]:
        """(subset, metric) in the order of the table."""
        return list(dict.fromkeys((s, m) for cells in self.columns.values() for s in cells for m in cells[s]))

    def count_numbers(self) -> int:
        """Count the cells of the table."""
        return sum(len(row) for cells in self.columns.values() for row in cells.values())

    def line(self, subset: str, metric: str) -> dict[str, Decimal]:
        """Return the numbers of a line by method. Cells that hold no number are omitted."""
        numbers = {method: parse_number(self.text(method, subset, metric)) for method in self.columns}
        return {method: number for method, number in numbers.items() if number is not None}

    def changed(self, texts: Mapping[Place, str]) -> "Published":
        """Return a copy with other texts in some cells."""
        columns = {
            method: {s: {m: texts.get((method, s, m), text) for m, text in row.items()} for s, row in cells.items()}
            for method, cells in self.columns.items()
        }
        return replace(self, columns=columns)


def parse_number(text: str | None) -> Decimal | None:
    """Parse plain decimal digits, at most nine before and after the point. Returns None for any other text."""
    is_number = text is not None and re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", text, re.ASCII)
    return Decimal(text) if text is not None and is_number else None


def read_tables(path: Path) -> list[Published]:
    """Read a file of published tables; InputError if it is none."""
    return read_json(path, list[Published], fault="not a file of published tables")


def collect_published(paths: Iterable[Path]) -> list[Published]:
    """Collect published tables from files.

    Args:
        paths: files of tables, and entries. An entry stands for every table that it has a column of. Such a table is
            read from leaderboards/tables/ if it is there; otherwise it is assembled from the sibling entries.

    Returns:
        The tables, sorted by paper and table.
    """
    tables: dict[TableName, Published] = {}
    wanted: dict[TableName, None] = {}
    entry_files: dict[Path, None] = {}
    table_files: dict[Path, None] = {}
    for path in paths:
        if path.parent.name == "tables":
            tables |= {table.name: table for table in read_tables(path)}
        else:
            wanted |= dict.fromkeys(name for name, _ in name_parts(read_entry(path)))
            entry_files |= dict.fromkeys(sorted(path.parent.glob("*.json")))
            table_files |= dict.fromkeys(sorted((path.parent.parent / "tables").glob("*.json")))
    whole = {table.name: table for path in table_files for table in read_tables(path)}
    columns = _read_columns(entry_files)
    for name in wanted:
        tables.setdefault(name, whole.get(name) or _assemble_table(name, columns[name]))
    return sorted(tables.values(), key=lambda table: (table.paper, table.table))


def name_parts(entry: Entry) -> Iterator[tuple[TableName, Reported]]:
    """Yield the published parts of an entry, each after the name of its table."""
    for parts, reproduced in ((entry.reported, False), (entry.reproduced, True)):
        for part in parts:
            yield (part.source.paper, part.source.table, reproduced), part


Column = tuple[int, str, Reported]  # its number in the table, the method, its cells


def _read_columns(paths: Iterable[Path]) -> dict[TableName, list[Column]]:
    columns: dict[TableName, list[Column]] = {}
    for path in paths:
        entry = read_entry(path)
        for name, part in name_parts(entry):
            columns.setdefault(name, []).append((part.source.column, entry.title, part))
    return columns


def _assemble_table(name: TableName, columns: list[Column]) -> Published:
    ordered = sorted(columns, key=lambda column: column[:2])
    paper, table, reproduced = name
    printed = {method: part.printed for _, method, part in ordered}
    marks = {method: part.marks for _, method, part in ordered}
    trained_on = {method: part.trained_on for _, method, part in ordered if part.trained_on is not None}
    sees_truth = tuple(method for _, method, part in ordered if part.sees_truth)
    secondhand = any(part.source.secondhand for _, _, part in ordered)
    return Published(paper, table, printed, marks, trained_on, sees_truth, reproduced=reproduced, secondhand=secondhand)
