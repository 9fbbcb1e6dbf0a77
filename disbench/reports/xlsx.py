"""The table as an Excel workbook: a sheet in the layout of the table, and a sheet with the records of the CSV."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

from disbench.errors import InputError, escape_control_chars
from disbench.reports.csv import has_training_marks, list_fields, make_records
from disbench.reports.options import FormatOptions
from disbench.reports.table import ARROWS, PRINTABLE_METRICS, Table, TableLine

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

LABEL_COLUMNS = 3  # subset, images, measure


def render_xlsx(table: Table, options: FormatOptions | None = None) -> bytes:
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
    _fill_scores(scores, table)
    _fill_records(book.create_sheet("Records"), table)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _fill_scores(sheet: Worksheet, table: Table) -> None:
    from openpyxl.styles import Alignment, Border, Font, Side

    rule = Border(bottom=Side(style="thin"))
    _append_row(sheet, ["Subset", "Images", "Measure", *table.methods])
    for column, cell in enumerate(sheet[1]):
        cell.font, cell.border = Font(bold=True), rule
        horizontal = "left" if column < LABEL_COLUMNS else "right"
        cell.alignment = Alignment(horizontal=horizontal, wrap_text=True, vertical="bottom")
    for _, lines in table.groups:
        for line in lines:
            _append_line(sheet, line)
        for cell in sheet[sheet.max_row]:
            cell.border = rule
    _append_row(sheet, [None])
    signatures = [f"{methods}: {signature}" if methods else signature for methods, signature in table.provenance]
    for text in (table.title, table.caption, *signatures):
        _append_row(sheet, [text])
    sheet.freeze_panes = "D2"
    for letter, width in {"A": 12, "B": 8, "C": 11}.items():
        sheet.column_dimensions[letter].width = width
    for cell in sheet[1][LABEL_COLUMNS:]:
        sheet.column_dimensions[cell.column_letter].width = 14


def _append_line(sheet: Worksheet, line: TableLine) -> None:
    from openpyxl.styles import Alignment, Font

    fonts = {"best": Font(bold=True), "second": Font(underline="single"), None: Font()}
    metric = PRINTABLE_METRICS[line.metric]
    labels = [line.split, line.n or None, f"{metric.symbol} {ARROWS[metric.direction]}"]
    scores = [cell.text if cell.value is None else float(cell.value) for cell in line.cells]
    _append_row(sheet, [*labels, *scores])
    for written, cell in zip(sheet[sheet.max_row][LABEL_COLUMNS:], line.cells, strict=True):
        written.number_format = f"0.{'0' * metric.digits}".rstrip(".") + (f'"{cell.sign}"' if cell.sign else "")
        written.font = fonts[cell.rank]
        written.alignment = Alignment(horizontal="right")


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
