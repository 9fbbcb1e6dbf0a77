"""The table as LaTeX (booktabs), to \\input or to compile by itself.

Best, second, tied with the best and intervals are macros, declared with \\providecommand, so a paper can restyle them.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jinja2

from disbench.reports.table import BRACKETS, KNOWN, Cell, Table

ARROWS = {"higher": r"\uparrow", "lower": r"\downarrow"}
WIDE = 6  # methods from which the table spans both columns of a page

ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "#": r"\#",
    "$": r"\$",
    "%": r"\%",
    "&": r"\&",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "’": "'",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "≈": r"$\approx$",
    "±": r"$\pm$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
}


def render_latex(table: Table, standalone: bool = False, intervals: bool = False) -> str:
    """A table environment; with `standalone`, a document around it; with `intervals`, those behind the scores."""
    printed = partial(format_cell, intervals=intervals)
    values = {
        "caption": f"{table.caption} {BRACKETS}" if intervals else table.caption,
        "standalone": standalone,
        "marked": True,
        "tied": any(cell.tied for line in table.lines for cell in line.cells),
        "intervals": intervals,
        "notes": table.provenance,
    }
    if table.turned:
        rows = [
            [escape_latex(method), *(printed(line.cells[k], KNOWN[line.metric].digits) for line in table.lines)]
            for k, method in enumerate(table.methods)
        ]
        head = ["Method", *(format_symbol(line.metric) for line in table.lines)]
        return _filled("lines.tex.j2", head=head, rows=rows, columns="l" + "c" * len(table.lines), wide=False, **values)
    wide = len(table.methods) >= WIDE
    return _filled("table.tex.j2", table=table, known=KNOWN, cell=printed, symbol=format_symbol, wide=wide, **values)


def format_lines(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], columns: str, standalone: bool) -> str:
    """The same around any lines of cells, which are LaTeX already; `columns` as a tabular takes them."""
    off = dict.fromkeys(("marked", "tied", "intervals", "wide"), False)
    values = {"caption": caption, "head": head, "rows": rows, "columns": columns, "standalone": standalone, "notes": ()}
    return _filled("lines.tex.j2", **values, **off)


def _filled(template: str, **values: Any) -> str:
    environment = jinja2.Environment(
        block_start_string="((*",
        block_end_string="*))",
        variable_start_string="(((",
        variable_end_string=")))",
        comment_start_string="((=",
        comment_end_string="=))",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    )
    environment.filters |= {"tex": escape_latex, "breakable": allow_breaks}
    return environment.get_template(template).render(**values)


def format_symbol(metric: str) -> str:
    """A measure with the direction in which it is better."""
    return f"${KNOWN[metric].latex} {ARROWS[KNOWN[metric].direction]}$"


def format_cell(one: Cell, digits: int, intervals: bool) -> str:
    text = escape_latex(one.text)
    if one.rank:
        text = f"\\{one.rank}{{{text}}}"
    if one.tied:
        text = f"\\tied{{{text}}}"
    if intervals and one.interval:
        text += "\\ci" + "".join(f"{{{end:.{digits}f}}}" for end in one.interval)
    return text


def escape_latex(text: str) -> str:
    """Text from outside as LaTeX that prints it.

    pdflatex stops at a character it has no font for; beyond Latin, such a character is printed as its code point.
    """
    characters = (ESCAPES.get(c) or (c if " " <= c <= "ſ" else f"[U+{ord(c):04X}]") for c in " ".join(text.split()))
    return "".join(characters).replace("--", "-{}-")  # two hyphens would print as a dash


def allow_breaks(signature: str) -> str:
    """An escaped signature that may break after each field and subset."""
    return escape_latex(signature).replace(r"\textbar{}", r"\textbar\allowbreak{}").replace(",", r",\allowbreak{}")
