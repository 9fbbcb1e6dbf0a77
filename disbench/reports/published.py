"""Published tables, and runs beside them, in the one Table that every format prints."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from disbench.data.dataset import OVERALL, SPLIT_COUNTS, TEST_SPLITS
from disbench.errors import InputError
from disbench.leaderboard import entry
from disbench.leaderboard.audit import apply_corrections
from disbench.leaderboard.tables import Published, collect_published, parse_number, read_tables
from disbench.metrics.catalogue import METRICS, MetricKeys, resolve_metrics
from disbench.reports.table import KNOWN, MISSING, REPORTED, Cell, Table, TableLine, build_table, sort_lines
from disbench.runs.result import Result

PRINTED = {**SPLIT_COUNTS, OVERALL: sum(SPLIT_COUNTS[split] for split in TEST_SPLITS)}


def shipped_tables() -> dict[str, Published]:
    """The tables that disbench ships whole, as diffdis-table-3: its file's name, then its own."""
    files = sorted((entry.BOARDS_ROOT / "tables").glob("*.json")) if entry.BOARDS_ROOT else []
    tables = [(f"{file.stem} {table.table}", table) for file in files for table in read_tables(file)]
    return {re.sub(r"\W+", "-", name).strip("-").lower(): table for name, table in tables}


def select_tables(names: Iterable[str], mend: bool = False) -> list[Published]:
    """Tables of `named`, as the audit corrects them if `mend`. InputError for an unknown name."""
    known = shipped_tables()
    found = []
    for name in names:
        if name not in known:
            raise InputError(f"{name}: no such published table; known: {', '.join(known)}")
        found.append(apply_corrections(known[name]) if mend else known[name])
    return found


def tables_of_entries(paths: Iterable[Path], mend: bool = False, source: str = "") -> list[Published]:
    """The published tables that entries have columns of, with those columns alone, the fullest first.

    mend: as the audit corrects them; source: those alone whose citation has this text. InputError for entries of
    several data sets, and where no table is left.
    """
    paths = list(paths)
    entries = [entry.read_entry(path) for path in paths]
    several = {entry.dataset for entry in entries}
    if len(several) > 1:
        raise InputError(f"entries of {' and '.join(sorted(several))}: make one report for each data set")
    held = {(entry.title, one.source.paper, one.source.table) for entry in entries for one in entry.reported}
    found = []
    for table in collect_published(paths):
        if source.casefold() not in f"{table.table} of {table.paper}".casefold():
            continue
        table = apply_corrections(table) if mend else table
        kept = {k: cells for k, cells in table.columns.items() if (k, table.paper, table.table) in held}
        found.append(replace(table, columns=kept))
    if not found:
        raise InputError(f"--source {source}: none of the tables is by this" if source else "nothing is reported there")
    return sorted(found, key=lambda table: -len(table.columns))


def add_published(
    tables: Sequence[Published], dataset: str, results: Sequence[Result], metrics: MetricKeys = None, mended: bool = False
) -> Table:
    """One Table of published columns, then of results. Marks of the former are theirs; ranks are within a table or
    protocol. What is no measure, as seconds, is there whatever `metrics`. InputError where results are of another data
    set, or must not stand side by side.
    """
    measured = build_table(results, metrics) if results else None
    if measured and measured.title != dataset:
        raise InputError(
            f"{results[0].title} is scored on {measured.title}, the published numbers are of {dataset}; "
            "make one report for each data set"
        )
    names = [f"[{k}]" if k > 1 else REPORTED for k in range(1, len(tables) + 1)]
    heads = [(method, name) for name, table in zip(names, tables, strict=True) for method in table.columns]
    keys = resolve_metrics(metrics) if metrics else None
    cells = {
        (split, metric): [_cell(table, method, split, metric) for table in tables for method in table.columns]
        for table in tables
        for split, metric in table.lines
        if keys is None or metric in keys or metric not in METRICS
    }
    below = {(line.split, line.metric): line for line in measured.lines} if measured else {}
    lines = []
    for split, metric in sort_lines([*cells, *below]):
        own = below.get((split, metric))
        left = cells.get((split, metric), [NOTHING] * len(heads))
        right = own.cells if own else (NOTHING,) * len(results)
        lines.append(TableLine(split, metric, own.n if own else PRINTED.get(split, 0), (*left, *right)))
    if not lines:
        raise InputError(f"{', '.join(keys)}: not in these tables; leave --metrics away")
    printed = not mended and not results
    how = "" if printed else "; corrected where it contradicts itself" if mended else "; as printed"
    sources = [f"{name}: {one.table} of {one.paper}" for name, one in zip(names, tables, strict=True)]
    signatures = [source for source, one in zip(sources, tables, strict=True) for _ in one.columns]
    return Table(
        title=dataset,
        columns=(*heads, *(measured.columns if measured else ())),
        signatures=(*signatures, *(measured.signatures if measured else ())),
        lines=tuple(lines),
        notes=tuple(f"{source[0].upper()}{source[1:]}{how}." for source in sources),
        printed=printed,
    )


NOTHING = Cell(None, MISSING, None)


def _cell(table: Published, method: str, split: str, metric: str) -> Cell:
    text, value = table.text(method, split, metric), parse_number(table.text(method, split, metric))
    if text is None:
        return NOTHING
    mark = table.mark(method, split, metric)
    if value is None or metric not in KNOWN or mark not in ("best", "second", None):  # a mark becomes a macro
        raise InputError(f"{metric} of {method} on {split} is {text!r} ({mark}); see `disbench leaderboard check`")
    return Cell(float(value), text, mark)
