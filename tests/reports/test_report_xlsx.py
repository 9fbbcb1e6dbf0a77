"""The workbook: numbers are numbers, names are text and never formulas, best and second are marked."""

import csv
import io
import re
import sys

import pytest
from made_results import HOSTILE, result

import disbench
from disbench.errors import InputError
from disbench.reports.render import render_report, write_report
from disbench.reports.report import Report

openpyxl = pytest.importorskip("openpyxl")
FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "#N/A", '=HYPERLINK("http://x")', "\x07\x1b[31m"]


def test_scores_are_numbers_and_names_are_text():
    runs = [result(title, 0.9 - 0.02 * k) for k, title in enumerate([HOSTILE, *FORMULAS])]
    book = openpyxl.load_workbook(io.BytesIO(render_report(Report(runs), "xlsx")))
    sheet = book["Scores"]
    head = [cell.value for cell in sheet[1][3:]]
    assert head == [HOSTILE, *FORMULAS[:-1], r"\x07\x1b[31m"]
    assert not [cell for page in book for row in page for cell in row if cell.data_type in "fe" or cell.hyperlink]
    assert all(cell.quotePrefix for cell in sheet[1])
    first = sheet[2]
    assert [cell.value for cell in first[:3]] == ["DIS-TE1", 3, "Fᵦ max ↑"]
    assert [cell.value for cell in first[3:]] == [run.scores()["DIS-TE1"]["f_max"] for run in runs]
    assert [(cell.font.bold, cell.font.underline) for cell in first[3:6]] == [
        (True, None),
        (False, "single"),
        (False, None),
    ]
    assert first[3].number_format == "0.000"


def test_records_are_those_of_the_csv():
    runs = [result("A"), result("B", 0.8, splits=("DIS-TE1",))]
    rows = list(openpyxl.load_workbook(io.BytesIO(render_report(Report(runs), "xlsx")))["Records"].values)
    expected = list(csv.reader(io.StringIO(render_report(Report(runs), "csv"))))
    assert [list(map(str, row[:6] + row[7:9])) for row in rows] == [row[:6] + row[7:9] for row in expected]
    assert [row[6] for row in rows[1:]] == pytest.approx([float(row[6]) for row in expected[1:]], rel=1e-15)


def test_without_openpyxl_one_line_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(InputError, match=r"pip install .disbench\[xlsx\]"):
        write_report(tmp_path / "t.xlsx", Report([result()]))
    assert not list(tmp_path.iterdir())


def test_scores_have_the_digits_and_signs_that_are_printed():
    runs = [result("A", n=40), result("B", 0.899, n=40), result("C", 0.4, n=40)]
    table = Report(runs, metrics="f_max").build_table()
    sheet = openpyxl.load_workbook(io.BytesIO(render_report(Report(runs, metrics="f_max"), "xlsx")))["Scores"]
    assert any(cell.tied for cell in table.cells)
    formats = ['0.000" ≈"' if cell.tied else "0.000" for cell in table.lines[0].cells]
    assert [cell.number_format for cell in sheet[2][3:]] == formats
    published = openpyxl.load_workbook(io.BytesIO(disbench.report("diffdis", format="xlsx", metrics="f_max,mae")))
    texts = {cell.number_format for row in published["Scores"].iter_rows(min_row=2, min_col=4) for cell in row}
    assert any(text.startswith("0.0000") for text in texts)  # the reproduction has four digits
    assert any(re.fullmatch(r'0\.000(".*")?', text) for text in texts)
