"""The table as GitHub-flavoured Markdown."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from disbench.errors import escape_control_chars
from disbench.reports.cells import Cell
from disbench.reports.options import MarkdownOptions
from disbench.reports.table import ARROWS, INTERVALS_NOTE, PRINTABLE_METRICS, Table, TableLine

MAX_COLUMNS = 15  # of methods; a table of more has them as rows
# GitHub's sanitizer keeps <ins> and drops <u>.
MARKS = {"best": "**{}**", "second": "<ins>{}</ins>", "third": "{}", None: "{}"}


def render_markdown(table: Table, options: MarkdownOptions | None = None) -> str:
    """Render a table as Markdown, with its caption and signatures."""
    options = options or MarkdownOptions()
    layout = options.layout or _choose_layout(table)
    table = replace(table, transposed=layout == "rows" and len(table.groups) == 1)
    lines = [f"### {escape_markdown(table.title)}"]
    if layout == "columns":
        lines += ["", *_format_methods_as_columns(table, options)]
    for _, group in table.groups if layout == "rows" else ():
        subset = [] if table.transposed else ["", f"**{escape_markdown(table.subset_label(group[0]))}**"]
        lines += [*subset, "", *_format_methods_as_rows(table, group, options)]
    caption = f"{table.caption} {INTERVALS_NOTE}" if options.intervals else table.caption
    # At the start of a line, these would begin a list or underline a heading.
    lines += ["", re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", escape_markdown(caption))]
    for methods, signature in table.provenance:
        heading = f"Signature ({escape_markdown(methods)}):" if methods else "Signature:"
        # An indented block shows a signature as it is, whatever its characters.
        lines += ["", heading, "", f"    {_flatten(signature)}"]
    return "\n".join(lines) + "\n"


def escape_markdown(text: str) -> str:
    """Escape text from outside, so that Markdown and HTML show it as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&$!])", r"\\\1", _flatten(text))


def _choose_layout(table: Table) -> str:
    return "rows" if table.transposed or len(table.columns) > MAX_COLUMNS else "columns"


def _format_methods_as_rows(table: Table, lines: Sequence[TableLine], options: MarkdownOptions) -> Iterator[str]:
    """Yield a table of one subset, of the methods that have a score there."""
    yield _join_cells(["Method", *map(_format_metric, lines)])
    yield "| :-- |" + " --: |" * len(lines)
    for column, method in enumerate(table.methods):
        if all(line.cells[column].value is None for line in lines):
            continue
        scores = [_format_score(line.cells[column], table.count_digits(line.metric), options) for line in lines]
        yield _join_cells([escape_markdown(method), *scores])


def _format_methods_as_columns(table: Table, options: MarkdownOptions) -> Iterator[str]:
    yield _join_cells(["Subset", "Metric", *map(escape_markdown, table.methods)])
    yield "| :-- | :-- |" + " --: |" * len(table.methods)
    for _, group in table.groups:
        for line in group:
            subset = table.subset_label(line) if line is group[0] else ""
            scores = [_format_score(cell, table.count_digits(line.metric), options) for cell in line.cells]
            yield _join_cells([escape_markdown(subset), _format_metric(line), *scores])


def _format_metric(line: TableLine) -> str:
    metric = PRINTABLE_METRICS[line.metric]
    return f"{metric.symbol} {ARROWS[metric.direction]}"


def _format_score(cell: Cell, digits: int, options: MarkdownOptions) -> str:
    text = MARKS[cell.rank].format(escape_markdown(cell.text)) + cell.sign
    if cell.tied:
        text += " ≈"
    if options.intervals and cell.interval:
        low, high = cell.interval
        text += f" [{low:.{digits}f}, {high:.{digits}f}]"
    return text


def _join_cells(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _flatten(text: str) -> str:
    """Put text on one line, without characters that would steer a terminal it is printed on."""
    return escape_control_chars(" ".join(text.split()))
