"""The table in long form: one score per record, at full precision, each with its signature."""

import csv
import io
from collections.abc import Iterable, Iterator

from disbench.errors import escape_csv_formula
from disbench.reports.options import FormatOptions
from disbench.reports.table import PRINTABLE_METRICS, Table

FIELDS = ("dataset", "split", "metric", "direction", "method", "protocol", "value", "n", "signature", "low", "high")
TRAINING_FIELD = "training"  # the last field, in tables with a mark only: a TrainingMark, or empty


def render_csv(table: Table, options: FormatOptions | None = None) -> str:
    """Render a table as CSV, with the columns FIELDS, and TRAINING_FIELD where a score has its mark.

    `value` reads back as the very same float. `low` and `high` are the ends of the 95 % interval. Missing scores have
    no record, and unknown fields are empty. Names that a spreadsheet would take for formulas are escaped.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    has_marks = has_training_marks([table])
    writer.writerow(list_fields(has_marks=has_marks))
    for record in make_records(table, has_marks=has_marks):
        writer.writerow(map(format_field, record))
    return file.getvalue()


def format_field(field: str | float | int) -> str | int:
    """Format a field so that floats read back exactly, and no name is a formula."""
    if isinstance(field, str):
        return escape_csv_formula(field)
    return repr(field) if isinstance(field, float) else field


def has_training_marks(tables: Iterable[Table]) -> bool:
    """Return whether a score of some tables has a mark of its training data."""
    return any(cell.training for table in tables for cell in table.cells)


def list_fields(*, has_marks: bool) -> tuple[str, ...]:
    """List the fields of a record; TRAINING_FIELD is one of them if `has_marks`."""
    return (*FIELDS, TRAINING_FIELD) if has_marks else FIELDS


def make_records(table: Table, *, has_marks: bool) -> Iterator[tuple[str | float | int, ...]]:
    """Yield the values of `list_fields` for each score of a table."""
    for line in table.lines:
        direction = PRINTABLE_METRICS[line.metric].direction
        for column, signature, cell in zip(table.columns, table.signatures, line.cells, strict=True):
            if cell.value is None:
                continue
            low, high = map(float, cell.interval) if cell.interval else ("", "")
            score = float(cell.value)
            place = (table.title, line.split, line.metric, direction, *column)
            mark = (cell.training or "",) if has_marks else ()
            yield *place, score, line.n or "", signature, low, high, *mark
