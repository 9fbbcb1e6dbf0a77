"""The table in long form: one score per record, at full precision, each with its signature."""

import csv
import io

from disbench.errors import inert
from disbench.metrics import METRICS
from disbench.report.table import Table

FIELDS = ("dataset", "split", "metric", "direction", "method", "protocol", "value", "n", "signature")


def render(table: Table) -> str:
    """Records of FIELDS, names inert; `value` reads back as the very same float. What was not scored has no record."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(FIELDS)
    for line in table.lines:
        direction = METRICS[line.metric].direction
        for column, signature, cell in zip(table.columns, table.signatures, line.cells, strict=True):
            if cell.value is not None:
                value = repr(float(cell.value))
                names = (table.title, line.split, line.metric, direction, *column)
                writer.writerow((*map(inert, names), value, line.n, inert(signature)))
    return file.getvalue()
