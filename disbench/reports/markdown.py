"""The table as GitHub-flavoured Markdown."""

import re

from disbench.errors import escape_control_chars
from disbench.reports.table import ARROWS, BRACKETS, KNOWN, Cell, Table, TableLine

# GitHub's sanitizer keeps <ins> and drops <u>.
MARKS = {"best": "**{}**", "second": "<ins>{}</ins>", None: "{}"}


def render_markdown(table: Table, intervals: bool = False) -> str:
    """A table; with `intervals`, those of 95 % behind the scores."""
    lines = [f"### {escape_markdown(table.title)}", ""]
    if table.turned:
        lines += [_line(["Method", *map(_metric, table.lines)]), "| :-- |" + " --: |" * len(table.lines)]
        for k, method in enumerate(table.methods):
            lines.append(_line([escape_markdown(method), *(_mark(line, line.cells[k], intervals) for line in table.lines)]))
    else:
        head = ["Subset", "Metric", *map(escape_markdown, table.methods)]
        lines += [_line(head), "| :-- | :-- |" + " --: |" * len(table.methods)]
        for _, group in table.groups:
            lines += [_line(_cells(line, table.label(line) if line is group[0] else "", intervals)) for line in group]
    lines += ["", escape_markdown(f"{table.caption} {BRACKETS}" if intervals else table.caption)]
    for methods, signature in table.provenance:
        # An indented block shows a signature as it is, whatever its characters.
        lines += ["", f"Signature ({escape_markdown(methods)}):" if methods else "Signature:", "", f"    {_flat(signature)}"]
    return "\n".join(lines) + "\n"


def escape_markdown(text: str) -> str:
    """Text from outside, with no character left that Markdown or HTML would act on."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&$!])", r"\\\1", _flat(text))


def _cells(line: TableLine, split: str, intervals: bool) -> list[str]:
    return [escape_markdown(split), _metric(line), *(_mark(line, cell, intervals) for cell in line.cells)]


def _metric(line: TableLine) -> str:
    metric = KNOWN[line.metric]
    return f"{metric.symbol} {ARROWS[metric.direction]}"


def _mark(line: TableLine, cell: Cell, intervals: bool) -> str:
    text = MARKS[cell.rank].format(escape_markdown(cell.text)) + (" ≈" if cell.tied else "")
    if not intervals or not cell.interval:
        return text
    digits, (low, high) = KNOWN[line.metric].digits, cell.interval
    return f"{text} [{low:.{digits}f}, {high:.{digits}f}]"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _flat(text: str) -> str:
    """On one line, and without what would steer a terminal that it is printed on."""
    return escape_control_chars(" ".join(text.split()))
