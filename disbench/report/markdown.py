"""The table as GitHub-flavoured Markdown."""

import re

from disbench.errors import printable
from disbench.report.table import ARROWS, BRACKETS, KNOWN, Cell, Line, Table

# GitHub's sanitizer keeps <ins> and drops <u>.
MARKS = {"best": "**{}**", "second": "<ins>{}</ins>", None: "{}"}


def render(table: Table, intervals: bool = False) -> str:
    """A table; with `intervals`, those of 95 % behind the scores."""
    lines = [f"### {escape(table.title)}", ""]
    if table.turned:
        lines += [_line(["Method", *map(_metric, table.lines)]), "| :-- |" + " --: |" * len(table.lines)]
        for k, method in enumerate(table.methods):
            lines.append(_line([escape(method), *(_mark(line, line.cells[k], intervals) for line in table.lines)]))
    else:
        head = ["Subset", "Metric", *map(escape, table.methods)]
        lines += [_line(head), "| :-- | :-- |" + " --: |" * len(table.methods)]
        for _, group in table.groups:
            lines += [_line(_cells(line, table.label(line) if line is group[0] else "", intervals)) for line in group]
    lines += ["", escape(f"{table.caption} {BRACKETS}" if intervals else table.caption)]
    for methods, signature in table.provenance:
        # An indented block shows a signature as it is, whatever its characters.
        lines += ["", f"Signature ({escape(methods)}):" if methods else "Signature:", "", f"    {_flat(signature)}"]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text from outside, with no character left that Markdown or HTML would act on."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&$!])", r"\\\1", _flat(text))


def _cells(line: Line, split: str, intervals: bool) -> list[str]:
    return [escape(split), _metric(line), *(_mark(line, cell, intervals) for cell in line.cells)]


def _metric(line: Line) -> str:
    metric = KNOWN[line.metric]
    return f"{metric.symbol} {ARROWS[metric.direction]}"


def _mark(line: Line, cell: Cell, intervals: bool) -> str:
    text = MARKS[cell.rank].format(escape(cell.text)) + (" ≈" if cell.tied else "")
    if not intervals or not cell.interval:
        return text
    digits, (low, high) = KNOWN[line.metric].digits, cell.interval
    return f"{text} [{low:.{digits}f}, {high:.{digits}f}]"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _flat(text: str) -> str:
    """On one line, and without what would steer a terminal that it is printed on."""
    return printable(" ".join(text.split()))
