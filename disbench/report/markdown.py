"""The table as GitHub-flavoured Markdown."""

import re

from disbench.errors import printable
from disbench.metrics import METRICS
from disbench.report.table import ARROWS, BRACKETS, Cell, Line, Table

# GitHub's sanitizer keeps <ins> and drops <u>.
MARKS = {"best": "**{}**", "second": "<ins>{}</ins>", None: "{}"}


def render(table: Table, intervals: bool = False) -> str:
    """A table; with `intervals`, those of 95 % behind the scores."""
    head = ["Subset", "Metric", *map(escape, table.methods)]
    lines = [f"### {escape(table.title)}", "", _line(head), "| :-- | :-- |" + " --: |" * len(table.methods)]
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
    metric = METRICS[line.metric]
    cells = (_mark(cell, metric.digits, intervals) for cell in line.cells)
    return [escape(split), f"{metric.symbol} {ARROWS[metric.direction]}", *cells]


def _mark(cell: Cell, digits: int, intervals: bool) -> str:
    text = MARKS[cell.rank].format(escape(cell.text)) + (" ≈" if cell.tied else "")
    if not intervals or not cell.interval:
        return text
    low, high = cell.interval
    return f"{text} [{low:.{digits}f}, {high:.{digits}f}]"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _flat(text: str) -> str:
    """On one line, and without what would steer a terminal that it is printed on."""
    return printable(" ".join(text.split()))
