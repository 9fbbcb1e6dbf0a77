"""The table as LaTeX (booktabs), to \\input or to compile by itself.

Best, second, tied with the best and intervals are macros, declared with \\providecommand, so a paper can restyle them.
"""

from functools import partial
from pathlib import Path

import jinja2

from disbench.metrics import METRICS
from disbench.report.table import BRACKETS, Cell, Table

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
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
}


def render(table: Table, standalone: bool = False, intervals: bool = False) -> str:
    """A table environment; with `standalone`, a document around it; with `intervals`, those behind the scores."""
    folder = Path(__file__).parent / "templates"
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
        loader=jinja2.FileSystemLoader(folder),
    )
    environment.filters |= {"tex": escape, "breakable": breakable, "cell": partial(cell, intervals=intervals)}
    template = environment.get_template("table.tex.j2")
    return template.render(
        table=table,
        caption=f"{table.caption} {BRACKETS}" if intervals else table.caption,
        standalone=standalone,
        metrics=METRICS,
        arrows=ARROWS,
        wide=len(table.methods) >= WIDE,
        tied=any(cell.tied for line in table.lines for cell in line.cells),
        intervals=intervals,
    )


def cell(one: Cell, digits: int, intervals: bool) -> str:
    text = escape(one.text)
    if one.rank:
        text = f"\\{one.rank}{{{text}}}"
    if one.tied:
        text = f"\\tied{{{text}}}"
    if intervals and one.interval:
        text += "\\ci" + "".join(f"{{{end:.{digits}f}}}" for end in one.interval)
    return text


def escape(text: str) -> str:
    """Text from outside as LaTeX that prints it.

    pdflatex stops at a character it has no font for; beyond Latin, such a character is printed as its code point.
    """
    characters = (ESCAPES.get(c) or (c if " " <= c <= "ſ" else f"[U+{ord(c):04X}]") for c in " ".join(text.split()))
    return "".join(characters).replace("--", "-{}-")  # two hyphens would print as a dash


def breakable(signature: str) -> str:
    """An escaped signature that may break after each field and subset."""
    return escape(signature).replace(r"\textbar{}", r"\textbar\allowbreak{}").replace(",", r",\allowbreak{}")
