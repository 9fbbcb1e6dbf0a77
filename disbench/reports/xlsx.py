"""The table as an Excel workbook: the layout of the page, and the records of the CSV, in numbers to reckon with."""

import io

from disbench.errors import InputError, escape_control_chars
from disbench.reports.csv import FIELDS, make_records
from disbench.reports.table import ARROWS, KNOWN, Table


def render_xlsx(table: Table) -> bytes:
    """Sheets "Scores", best bold and second underlined, and "Records" to 16 digits, to filter.

    Every name is stored as text, also one that begins like a formula. InputError where openpyxl is not installed.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.styles import Alignment, Border, Font, Side
    except ImportError:
        raise InputError('xlsx needs openpyxl: pip install "disbench[xlsx]"; csv needs nothing') from None
    book = Workbook()
    sheet = book.active
    sheet.title = "Scores"
    fonts = {"best": Font(bold=True), "second": Font(underline="single"), None: Font()}
    line = Side(style="thin")
    _row(sheet, ["Subset", "Images", "Measure", *table.methods])
    for column, cell in enumerate(sheet[1], 1):
        cell.font, cell.border = Font(bold=True), Border(bottom=line)
        cell.alignment = Alignment(horizontal="left" if column < 4 else "right", wrap_text=True, vertical="bottom")
    for _, lines in table.groups:
        for one in lines:
            metric = KNOWN[one.metric]
            head = [one.split, one.n or None, f"{metric.symbol} {ARROWS[metric.direction]}"]
            _row(sheet, head + [cell.text if cell.value is None else float(cell.value) for cell in one.cells])
            for written, cell in zip(sheet[sheet.max_row][3:], one.cells, strict=True):
                written.number_format = f"0.{'0' * metric.digits}".rstrip(".")
                written.font = fonts[cell.rank]
                written.alignment = Alignment(horizontal="right")
        for cell in sheet[sheet.max_row]:
            cell.border = Border(bottom=line)
    _row(sheet, [None])
    for text in (table.title, table.caption, *(f"{m}: {s}" if m else s for m, s in table.provenance)):
        _row(sheet, [text])
    sheet.freeze_panes = "D2"
    for letter, width in {"A": 12, "B": 8, "C": 11}.items():
        sheet.column_dimensions[letter].width = width
    for cell in sheet[1][3:]:
        sheet.column_dimensions[cell.column_letter].width = 14

    listed = book.create_sheet("Records")
    _row(listed, FIELDS)
    for record in make_records(table):
        _row(listed, [None if value == "" else value for value in record])
    for cell in listed[1]:
        cell.font = Font(bold=True)
        listed.column_dimensions[cell.column_letter].width = 14
    listed.freeze_panes, listed.auto_filter.ref = "A2", listed.dimensions
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _row(sheet, values) -> None:
    """Append a row; text stays text whatever it begins with, control characters are written as escapes."""
    sheet.append([escape_control_chars(value) if isinstance(value, str) else value for value in values])
    for cell in sheet[sheet.max_row]:
        if isinstance(cell.value, str):
            cell.data_type, cell.quotePrefix = "s", True
