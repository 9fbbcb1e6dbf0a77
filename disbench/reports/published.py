"""Published tables as columns of a report, next to which runs may stand."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from disbench.data.dataset import OVERALL, SPLIT_COUNTS, TEST_SPLITS
from disbench.errors import InputError
from disbench.leaderboard import entry
from disbench.leaderboard.audit import apply_corrections
from disbench.leaderboard.tables import Published, collect_published, name_parts, parse_number, read_tables
from disbench.leaderboard.training import mark_published, rank_clean_columns
from disbench.metrics.catalogue import METRICS, PAPER, MetricKeys, resolve_metrics
from disbench.reports.cells import EMPTY_CELL, REPORTED, Cell, Rank, Source
from disbench.reports.table import PRINTABLE_METRICS, Table, TableLine, build_table, sort_lines
from disbench.runs.result import Result
from disbench.runs.training import UNRANKED

IMAGE_COUNTS = {**SPLIT_COUNTS, OVERALL: sum(SPLIT_COUNTS[split] for split in TEST_SPLITS)}  # of DIS5K


MARKS: dict[str | None, Rank] = {"best": "best", "second": "second", None: None}  # of published tables
Revision = Callable[[Published], Published]


def _keep(table: Published) -> Published:
    return table


@dataclass(frozen=True, kw_only=True)
class PublishedSelection:
    """The published columns that a report shows. It is false if it selects no column.

    Attributes:
        entries: files of leaderboard entries, whose published columns are shown.
        tables: names of shipped tables, which are shown whole; see `shipped_tables`.
        corrected: numbers as the audit corrects them. False: as printed.
        citation: text that a table's citation must contain, for the columns of entries. "" is in every citation.
        rank_all: whether methods are ranked on subsets that they were trained on.
    """

    entries: Sequence[Path] = ()
    tables: Sequence[str] = ()
    corrected: bool = False
    citation: str = ""
    rank_all: bool = False

    def __bool__(self) -> bool:
        return bool(self.entries or self.tables)

    @property
    def dataset(self) -> str:
        """The title of the data set. All shipped tables are about DIS5K."""
        return entry.read_entry(self.entries[0]).dataset if self.entries else "DIS5K"

    def load(self) -> list[Published]:
        """Return the selected tables: named tables first, then the tables of entries."""

        def revise(table: Published) -> Published:
            table = apply_corrections(table) if self.corrected else table
            return table if self.rank_all else rank_clean_columns(table)

        tables = select_tables(self.tables, revise)
        if self.entries:
            tables += tables_of_entries(self.entries, self.citation, revise)
        return tables


def shipped_tables() -> dict[str, Published]:
    """Return name -> table for the whole tables that disbench ships, as in diffdis-table-3."""
    tables: dict[str, Published] = {}
    files = sorted((entry.BOARDS_ROOT / "tables").glob("*.json")) if entry.BOARDS_ROOT else []
    for file in files:
        for table in read_tables(file):
            name = re.sub(r"\W+", "-", f"{file.stem} {table.table}").strip("-").lower()
            tables[name] = table
    return tables


def select_tables(names: Iterable[str], revise: Revision = _keep) -> list[Published]:
    """Return shipped tables by name, revised. InputError for an unknown name."""
    shipped = shipped_tables()
    tables = []
    for name in names:
        if name not in shipped:
            raise InputError(f"{name}: no such published table; known: {', '.join(shipped)}")
        tables.append(revise(shipped[name]))
    return tables


def tables_of_entries(paths: Iterable[Path], citation: str = "", revise: Revision = _keep) -> list[Published]:
    """Return the published tables that entries have columns of, reduced to these columns.

    Args:
        paths: files of leaderboard entries.
        citation: text that a table's citation must contain, in any case.
        revise: changes the numbers or marks of a table.

    Returns:
        Tables, those with most numbers first, and reproductions last.

    Raises:
        InputError: for entries of several data sets, and if no table is left.
    """
    paths = list(paths)
    entries = [entry.read_entry(path) for path in paths]
    datasets = sorted({each.dataset for each in entries})
    if len(datasets) > 1:
        raise InputError(f"entries of {' and '.join(datasets)}: make one report for each data set")
    columns_of_entries = {(each.title, name) for each in entries for name, _ in name_parts(each)}
    tables = []
    for table in collect_published(paths):
        if citation.casefold() not in f"{table.table} of {table.citation}".casefold():
            continue
        table = revise(table)  # before columns go, because corrections and marks compare columns
        columns = {
            method: cells
            for method, cells in table.columns.items()
            if (method, table.name) in columns_of_entries
        }
        tables.append(replace(table, columns=columns))
    if not tables and citation:
        raise InputError(f"--source {citation}: none of the tables has this in its citation")
    if not tables:
        raise InputError("none of the entries has published numbers; give entries that report some")
    return sorted(tables, key=lambda table: (table.reproduced, -table.count_numbers()))


def add_published(
    tables: Sequence[Published],
    dataset: str,
    results: Sequence[Result],
    metrics: MetricKeys = None,
    *,
    corrected: bool = False,
    rank_all: bool = False,
) -> Table:
    """Build a table of published columns, followed by a column for each result.

    Marks of published columns are those of the publication. Measured columns are ranked among those of one protocol.

    Args:
        tables: published tables.
        dataset: title of the data set of the published tables.
        results: runs on the same data set, which may be none.
        metrics: keys of the metrics to show. None: the paper's five. Quantities that are not metrics, as seconds, are
            always shown.
        corrected: whether `tables` were corrected, for the notes.
        rank_all: whether results are ranked on subsets that they were trained on, as `tables` then are.

    Raises:
        InputError: for results on another data set or not comparable, and if no line is left.
    """
    measured = build_table(results, metrics, rank_all=rank_all) if results else None
    if measured and measured.title != dataset:
        raise InputError(
            f"{results[0].title} is scored on {measured.title}, the published numbers are of {dataset}; "
            "make one report for each data set"
        )
    labels = [_label_table(table, number) for number, table in enumerate(tables, 1)]
    columns = [(method, label) for label, table in zip(labels, tables, strict=True) for method in table.columns]
    keys = resolve_metrics(metrics or PAPER)
    published_cells = {
        (split, metric): [
            _make_cell(table, method, split, metric) for table in tables for method in table.columns
        ]
        for table in tables
        for split, metric in table.lines
        if metric in keys or metric not in METRICS
    }
    measured_lines = {(line.split, line.metric): line for line in measured.lines} if measured else {}
    lines = []
    for split, metric in sort_lines([*published_cells, *measured_lines]):
        measured_line = measured_lines.get((split, metric))
        left = published_cells.get((split, metric), [EMPTY_CELL] * len(columns))
        right = measured_line.cells if measured_line else (EMPTY_CELL,) * len(results)
        n = measured_line.n if measured_line else IMAGE_COUNTS.get(split, 0)
        lines.append(TableLine(split=split, metric=metric, n=n, cells=(*left, *right)))
    if not lines:
        raise InputError(f"{', '.join(keys)}: not in these tables; choose others with --metrics")
    sources = [
        Source(
            label=label,
            text=f"{table.table} of {table.citation}",
            paper=table.paper,
            corrected=corrected,
            reranked=not rank_all and _is_reranked(table, dict.fromkeys(split for split, _ in published_cells)),
        )
        for label, table in zip(labels, tables, strict=True)
    ]
    signatures = [
        f"{source.label}: {source.text}" for source, table in zip(sources, tables, strict=True) for _ in table.columns
    ]
    return Table(
        title=dataset,
        columns=(*columns, *(measured.columns if measured else ())),
        signatures=(*signatures, *(measured.signatures if measured else ())),
        lines=tuple(lines),
        sources=tuple(sources),
        rank_all=rank_all,
    )


def _is_reranked(table: Published, subsets: Iterable[str]) -> bool:
    """Return whether a method of the whole table is not ranked on a subset, so that its marks were derived anew."""
    methods = {*table.trained_on, *table.sees_truth}
    return any(mark_published(table, method, subset) in UNRANKED for method in methods for subset in subsets)


def _label_table(table: Published, number: int) -> str:
    """Return the "protocol" of a table's columns, which names the kind of the numbers."""
    if table.reproduced:
        return f"[{number}, reproduced]"  # see is_reproduced
    return f"[{number}]" if number > 1 else REPORTED


def _make_cell(table: Published, method: str, split: str, metric: str) -> Cell:
    text = table.text(method, split, metric)
    if text is None:
        return EMPTY_CELL
    value, mark = parse_number(text), table.mark(method, split, metric)
    # Text and mark come from outside. A mark becomes a LaTeX macro, so only known ones may pass.
    if value is None or metric not in PRINTABLE_METRICS or mark not in MARKS:
        raise InputError(f"{metric} of {method} on {split} is {text!r} ({mark}); see `disbench leaderboard check`")
    training = mark_published(table, method, split)
    return Cell(value=float(value), text=text, rank=MARKS[mark], training=training)
