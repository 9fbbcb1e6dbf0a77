"""The table in long form: one score per record, at full precision, each with its signature."""

import csv
import io
from collections.abc import Iterator

from disbench.errors import escape_csv_formula
from disbench.reports.table import KNOWN, Table

FIELDS = ("dataset", "split", "metric", "direction", "method", "protocol", "value", "n", "signature", "low", "high")


def render_csv(table: Table) -> str:
    """Records of FIELDS, names inert; `value` reads back as the very same float. What was not scored has no record. low
    and high are the ends of the 95 % interval; what is not known is empty."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(FIELDS)
    for record in make_records(table):
        writer.writerow(map(_cell, record))
    return file.getvalue()


def _cell(field: str | float | int) -> str | int:
    if isinstance(field, str):
        return escape_csv_formula(field)
    return repr(field) if isinstance(field, float) else field


def make_records(table: Table) -> Iterator[tuple[str | float | int, ...]]:
    """The values of FIELDS for each score."""
    for line in table.lines:
        direction = KNOWN[line.metric].direction
        for column, signature, cell in zip(table.columns, table.signatures, line.cells, strict=True):
            if cell.value is not None:
                value = float(cell.value)
                ends = map(float, cell.interval) if cell.interval else ("", "")
                yield table.title, line.split, line.metric, direction, *column, value, line.n or "", signature, *ends
