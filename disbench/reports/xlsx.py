"""The table as an Excel workbook: a sheet in the layout of the table, and a sheet with the records of the CSV."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from disbench.errors import InputError, escape_control_chars
from disbench.reports.cells import Cell
from disbench.reports.csv import has_training_marks, list_fields, make_records
from disbench.reports.options import LayoutOptions
from disbench.reports.table import ARROWS, PRINTABLE_METRICS, Table, TableLine

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet


def render_xlsx(table: Table, options: LayoutOptions | None = None) -> bytes:
    """Render a table as a workbook.

    The sheet "Scores" has the best score in bold and the second underlined. The sheet "Records" can be filtered and
    holds scores to 16 digits. Names are stored as text, even if they begin like a formula.

    Raises:
        InputError: if openpyxl is not installed.
    """
    try:
        from openpyxl import Workbook
    except ImportError:
        raise InputError('xlsx needs openpyxl: pip install "disbench[xlsx]"; csv needs nothing') from None
    book = Workbook()
    scores = book.active
    scores.title = "Scores"
    _fill_scores(scores, table, (options and options.layout) or "columns")
    _fill_records(book.create_sheet("Records"), table)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _fill_scores(sheet: Worksheet, table: Table, layout: str) -> None:
    fill = _fill_methods_as_rows if layout == "rows" else _fill_methods_as_columns
    labels = fill(sheet, table)
    _append_row(sheet, [None])
    signatures = [f"{methods}: {signature}" if methods else signature for methods, signature in table.provenance]
    for text in (table.title, table.caption, *signatures):
        _append_row(sheet, [text])
    for cell in sheet[1][labels:]:
        sheet.column_dimensions[cell.column_letter].width = 14


def _fill_methods_as_columns(sheet: Worksheet, table: Table) -> int:
    """Fill the layout of the paper's Table 2, and return the number of columns with labels."""
    _append_row(sheet, ["Subset", "Images", "Measure", *table.methods])
    _style_heads(sheet, 1, 3)
    for _, lines in table.groups:
        for line in lines:
            labels = [line.split, line.n or None, _format_metric(line)]
            _append_scores(sheet, labels, line.cells)
        _rule_below(sheet)
    sheet.freeze_panes = "D2"
    for letter, width in {"A": 12, "B": 8, "C": 11}.items():
        sheet.column_dimensions[letter].width = width
    return 3


def _fill_methods_as_rows(sheet: Worksheet, table: Table) -> int:
    _append_row(sheet, [None, *(table.subset_label(line) for line in table.lines)])
    _append_row(sheet, ["Method", *map(_format_metric, table.lines)])
    for row in (1, 2):
        _style_heads(sheet, row, 1)
    for column, method in enumerate(table.methods):
        _append_scores(sheet, [method], [line.cells[column] for line in table.lines])
    _rule_below(sheet)
    sheet.freeze_panes = "B3"
    sheet.column_dimensions["A"].width = 24
    return 1


def _style_heads(sheet: Worksheet, row: int, labels: int) -> None:
    from openpyxl.styles import Alignment, Font

    for column, cell in enumerate(sheet[row]):
        cell.font = Font(bold=True)
        cell.alignment = Alignment(
            horizontal="left" if column < labels else "right", wrap_text=True, vertical="bottom"
        )
    _rule_below(sheet)


def _rule_below(sheet: Worksheet) -> None:
    from openpyxl.styles import Border, Side

    for cell in sheet[sheet.max_row]:
        cell.border = Border(bottom=Side(style="thin"))


def _append_scores(sheet: Worksheet, labels: Sequence[str | int | None], cells: Sequence[Cell]) -> None:
    from openpyxl.styles import Alignment, Font

    fonts = {"best": Font(bold=True), "second": Font(underline="single")}
    _append_row(sheet, [*labels, *(cell.text if cell.value is None else float(cell.value) for cell in cells)])
    for written, cell in zip(sheet[sheet.max_row][len(labels) :], cells, strict=True):
        digits = "0" * len(cell.text.partition(".")[2])
        signs = cell.sign + (" ≈" if cell.tied else "")
        written.number_format = f"0.{digits}".rstrip(".") + (f'"{signs}"' if signs else "")
        written.font = fonts.get(cell.rank or "", Font())
        written.alignment = Alignment(horizontal="right")


def _format_metric(line: TableLine) -> str:
    metric = PRINTABLE_METRICS[line.metric]
    return f"{metric.symbol} {ARROWS[metric.direction]}"


def _fill_records(sheet: Worksheet, table: Table) -> None:
    from openpyxl.styles import Font

    has_marks = has_training_marks([table])
    _append_row(sheet, list_fields(has_marks=has_marks))
    for record in make_records(table, has_marks=has_marks):
        _append_row(sheet, [None if value == "" else value for value in record])
    for cell in sheet[1]:
        cell.font = Font(bold=True)
        sheet.column_dimensions[cell.column_letter].width = 14
    sheet.freeze_panes, sheet.auto_filter.ref = "A2", sheet.dimensions


def _append_row(sheet: Worksheet, values: Iterable[str | float | int | None]) -> None:
    """Append a row. Text stays text, whatever it begins with; control characters are written as escapes."""
    sheet.append([escape_control_chars(value) if isinstance(value, str) else value for value in values])
    for cell in sheet[sheet.max_row]:
        if isinstance(cell.value, str):
            cell.data_type, cell.quotePrefix = "s", True
