"""The report of a suite: one table of methods, with a block for each data set, as HTML, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from disbench.data.dataset import OVERALL, TEST_SPLITS
from disbench.metrics.catalogue import MetricKeys
from disbench.reports.caption import PLAIN_MARKS, describe_marks, describe_ranks, describe_ties
from disbench.reports.cells import EMPTY_CELL, MISSING
from disbench.reports.csv import format_field, has_training_marks, list_fields, make_records
from disbench.reports.latex import LABEL
from disbench.reports.latex_body import format_cell, format_symbol
from disbench.reports.latex_document import Float, Style, fill_template, render_floats
from disbench.reports.latex_text import allow_breaks, escape_prose
from disbench.reports.output import write_output
from disbench.reports.page import render_page
from disbench.reports.report import Report
from disbench.reports.table import ARROWS, PRINTABLE_METRICS, Table
from disbench.runs.result import Result

WIDE = 6  # number of methods from which the LaTeX table spans both columns of a page
PAGE = 38  # lines of a LaTeX table on a page, and of what is below it
NOTE = 4  # lines of a signature below it, in a narrow column


@dataclass(frozen=True, kw_only=True)
class Block:
    """The methods on one data set.

    Attributes:
        title: the data set.
        table: its table, with the columns of the whole report; None if no method was scored on it.
        provenance: (methods, signature) of the measured columns; see Table.provenance.
        faults: (method, why it was not scored).
    """

    title: str
    table: Table | None
    provenance: Sequence[tuple[str, str]]
    faults: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class DataResults:
    """The results on one data set: its title, the results, and (method, why it was not scored)."""

    title: str
    results: Sequence[Result]
    faults: Sequence[tuple[str, str]] = ()


def make_blocks(datasets: Sequence[DataResults], methods: Sequence[str], metrics: MetricKeys = None) -> list[Block]:
    """Make the blocks of a report, which have the same columns.

    Args:
        datasets: the results on each data set.
        methods: the titles of all methods, in the order of the columns.
        metrics: keys of the metrics to show. Default: those of the paper.

    Raises:
        InputError: for results on a data set that must not stand in one table.
    """
    tables = [Report(data.results, metrics=metrics).build_table() if data.results else None for data in datasets]
    used = {column for table in tables if table for column in table.columns}
    protocols = list(dict.fromkeys(protocol for table in tables if table for _, protocol in table.columns))
    columns = sorted(used, key=lambda column: (methods.index(column[0]), protocols.index(column[1])))
    return [
        Block(
            title=data.title,
            table=table and _align(table, columns, data.title),
            provenance=table.provenance if table else (),
            faults=data.faults,
        )
        for data, table in zip(datasets, tables, strict=True)
    ]


def write_suite_report(folder: Path, title: str, blocks: Sequence[Block]) -> dict[str, Path]:
    """Write report.html, report.csv and report.tex into a folder. Returns kind of file -> its path."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {"HTML report": "report.html", "CSV": "report.csv", "LaTeX table": "report.tex"}
    renderers = (render_suite_html, render_suite_csv, render_suite_latex)
    for name, render in zip(paths.values(), renderers, strict=True):
        write_output(folder / name, render(title, blocks), "--report")
    return {kind: folder / name for kind, name in paths.items()}


def render_suite_csv(title: str, blocks: Sequence[Block]) -> str:
    """Render blocks as CSV, a record for each score; see disbench.reports.csv."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    tables = _list_tables(blocks)
    has_marks = has_training_marks(tables)
    writer.writerow(list_fields(has_marks=has_marks))
    for table in tables:
        for record in make_records(table, has_marks=has_marks):
            writer.writerow(map(format_field, record))
    return file.getvalue()


def render_suite_latex(title: str, blocks: Sequence[Block]) -> str:
    """Render blocks as a LaTeX table, or as several, each of at most one page."""
    parts = _split_pages([block for block in blocks if block.table is not None])
    if len(parts) == 1:
        floats = [_make_float(title, parts[0], LABEL)]
    else:
        floats = [
            _make_float(f"{title}, part {number} of {len(parts)}", part, f"{LABEL}-{number}")
            for number, part in enumerate(parts, 1)
        ]
    tied = any(cell.tied for table in _list_tables(blocks) for cell in table.cells)
    return render_floats(floats, Style(marks="bold", tied=tied))


def _split_pages(blocks: Sequence[Block]) -> list[list[Block]]:
    """Split blocks that are more than one page of LaTeX. A block stays whole."""
    parts: list[list[Block]] = [[]]
    used = 0
    for block in blocks:
        lines = 1 + (len(block.table.lines) if block.table else 0) + NOTE * len(block.provenance)
        if parts[-1] and used + lines > PAGE:
            parts.append([])
            used = 0
        parts[-1].append(block)
        used += lines
    return parts


def _make_float(title: str, blocks: Sequence[Block], label: str) -> Float:
    tables = _list_tables(blocks)
    notes = [
        (f"{block.title}, {methods}" if methods else block.title, signature)
        for block in blocks
        for methods, signature in block.provenance
    ]
    methods = tables[0].methods if tables else ()
    wide = len(methods) >= WIDE
    tabular = fill_template(
        "blocks.tex.j2", tables=tables, methods=methods, cell=format_cell, symbol=format_symbol, wide=wide
    )
    return Float(
        tabular=tabular.rstrip(),
        caption=escape_prose(f"{title}. {_describe(blocks)}"),
        label=label,
        notes=[rf"{escape_prose(heading)}: \texttt{{{allow_breaks(signature)}}}" for heading, signature in notes],
        wide=wide,
    )


def render_suite_html(title: str, blocks: Sequence[Block]) -> str:
    """Render blocks as a page that needs nothing else. All text from outside is escaped."""
    metrics = dict.fromkeys(line.metric for table in _list_tables(blocks) for line in table.lines)
    content: dict[str, Any] = {
        "title": title,
        "blocks": blocks,
        "caption": _describe(blocks),
        "explained": [PRINTABLE_METRICS[key] for key in metrics],
        "context": {"metrics": PRINTABLE_METRICS, "arrows": ARROWS, "missing": MISSING},
        "synthetic": [b.title for b in blocks if any("|dis-mini-" in signature for _, signature in b.provenance)],
    }
    return render_page("suite.html.j2", ("base.css", "report.css"), ("base.js",), **content)


def _list_tables(blocks: Sequence[Block]) -> list[Table]:
    return [block.table for block in blocks if block.table is not None]


def _align(table: Table, columns: Sequence[tuple[str, str]], title: str) -> Table:
    """Return a table with these columns and this title; columns that it does not have are empty."""
    places = {column: i for i, column in enumerate(table.columns)}
    lines = []
    for line in table.lines:
        cells = (line.cells[places[column]] if column in places else EMPTY_CELL for column in columns)
        lines.append(replace(line, cells=tuple(cells)))
    signatures = (table.signatures[places[column]] if column in places else "" for column in columns)
    return replace(table, title=title, columns=tuple(columns), signatures=tuple(signatures), lines=tuple(lines))


def _describe(blocks: Sequence[Block]) -> str:
    """Return the legend of all blocks, in plain text."""
    tables = _list_tables(blocks)
    cells = [cell for table in tables for cell in table.cells]
    titles = ", ".join(block.title for block in blocks if block.table is not None) or "no data set"
    sentences = [f"Scores on {titles}. ↑: higher is better, ↓: lower is better."]
    columns = tables[0].columns if tables else ()
    ranks = {cell.rank for cell in cells}
    if "best" in ranks:
        sentences.append(describe_ranks(ranks, columns, "by-source", PLAIN_MARKS))
        if any(table.has_lone_scores for table in tables):
            sentences.append("A score without a rival has no mark.")
    if any(cell.tied for cell in cells):
        sentences.append(describe_ties(columns))
    sentences += describe_marks(cells)
    if len({protocol for table in tables for _, protocol in table.columns}) > 1:
        sentences.append("In brackets: the protocol; only scores of one protocol compare.")
    if any(line.split == OVERALL for table in tables for line in table.lines):
        pool = f"all images of {TEST_SPLITS[0]} to {TEST_SPLITS[-1]}"
        sentences.append(f"{OVERALL}: one score over {pool}, not a mean of their scores.")
    if any(cell.value is None for cell in cells):
        sentences.append(f"{MISSING}: not scored.")
    return " ".join(sentences)
