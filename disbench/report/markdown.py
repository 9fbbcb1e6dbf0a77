"""The table as GitHub-flavoured Markdown."""

import re

from disbench.metrics import METRICS
from disbench.report.table import ARROWS, Cell, Line, Table

# GitHub's sanitizer keeps <ins> and drops <u>.
MARKS = {"best": "**{}**", "second": "<ins>{}</ins>", None: "{}"}


def render(table: Table) -> str:
    head = ["Subset", "Metric", *map(escape, table.methods)]
    lines = [f"### {escape(table.title)}", "", _line(head), "| :-- | :-- |" + " --: |" * len(table.methods)]
    for _, group in table.groups:
        lines += [_line(_cells(line, table.label(line) if line is group[0] else "")) for line in group]
    lines += ["", escape(table.caption)]
    for methods, signature in table.provenance:
        # An indented block shows a signature as it is, whatever its characters.
        lines += ["", f"Signature ({escape(methods)}):" if methods else "Signature:", "", f"    {_flat(signature)}"]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text from outside, with no character left that Markdown or HTML would act on."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&$!])", r"\\\1", _flat(text))


def _cells(line: Line, split: str) -> list[str]:
    metric = METRICS[line.metric]
    return [escape(split), f"{metric.symbol} {ARROWS[metric.direction]}", *map(_mark, line.cells)]


def _mark(cell: Cell) -> str:
    return MARKS[cell.rank].format(cell.text)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _flat(text: str) -> str:
    return " ".join(text.split())
