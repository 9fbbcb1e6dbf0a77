r"""The table as LaTeX (booktabs), to \input or to compile by itself.

The marks and intervals are macros, declared with \providecommand, so that a paper can restyle them.
"""

import re
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import jinja2

from disbench.reports.options import LatexOptions
from disbench.reports.table import INTERVALS_NOTE, PRINTABLE_METRICS, Cell, Table

TRAINING_SIGNS = {"sees_truth": r"$^{\S}$", "contaminated": r"$^{\dagger}$", "unstated": r"$^{\ddagger}$", None: ""}
ARROWS = {"higher": r"\uparrow", "lower": r"\downarrow"}
STACKED = 14  # characters of a line of a heading that is broken into lines
LONG_WORD, PIECE = 30, 10  # characters: longer words may break, after this many
WIDE = 6  # number of methods from which the table spans both columns of a page

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
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "§": r"\textsection{}",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
}


def render_latex(table: Table, options: LatexOptions | None = None) -> str:
    """Render a table as a LaTeX table environment, or as a whole document if options.standalone."""
    options = options or LatexOptions()

    def render_cell(cell: Cell, digits: int) -> str:
        return format_cell(cell, digits, intervals=options.intervals)

    values = {
        "caption": f"{table.caption} {INTERVALS_NOTE}" if options.intervals else table.caption,
        "standalone": options.standalone,
        "intervals": options.intervals,
        "marked": True,
        "tied": any(cell.tied for cell in table.cells),
        "notes": table.provenance,
    }
    if not table.transposed:
        return fill_template(
            "table.tex.j2",
            table=table,
            metrics=PRINTABLE_METRICS,
            cell=render_cell,
            symbol=format_symbol,
            wide=len(table.methods) >= WIDE,
            **values,
        )
    head = ["Method", *(format_symbol(line.metric) for line in table.lines)]
    rows = []
    for column, method in enumerate(table.methods):
        scores = [render_cell(line.cells[column], PRINTABLE_METRICS[line.metric].digits) for line in table.lines]
        rows.append([escape_latex(method), *scores])
    columns = "l" + "c" * len(table.lines)
    return fill_template("lines.tex.j2", head=head, rows=rows, columns=columns, wide=False, **values)


def format_lines(
    caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], columns: str, standalone: bool
) -> str:
    r"""Render any lines of cells as a table environment.

    Args:
        caption: plain text.
        head: headings, which are LaTeX already.
        rows: cells, which are LaTeX already.
        columns: the column specification of the tabular.
        standalone: a document that compiles, in place of a table to \input.
    """
    off = dict.fromkeys(("marked", "tied", "intervals", "wide"), False)
    values = {"caption": caption, "head": head, "rows": rows, "columns": columns, "standalone": standalone, "notes": ()}
    return fill_template("lines.tex.j2", **values, **off)


def fill_template(template: str, **values: Any) -> str:
    """Fill a LaTeX template with values."""
    # Jinja's usual {{ and {% are common in LaTeX.
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
    environment.filters |= {
        "tex": escape_latex, "prose": escape_prose, "breakable": allow_breaks, "stacked": stack_words,
    }
    return environment.get_template(template).render(**values)


def format_symbol(metric: str) -> str:
    """Return the symbol of a metric, with an arrow in the direction of better scores."""
    entry = PRINTABLE_METRICS[metric]
    return f"${entry.latex} {ARROWS[entry.direction]}$"


def format_cell(cell: Cell, digits: int, *, intervals: bool) -> str:
    """Return a score with the macros of its marks, and of its interval if `intervals`."""
    text = escape_latex(cell.text)
    if cell.rank:
        text = f"\\{cell.rank}{{{text}}}"
    if cell.tied:
        text = f"\\tied{{{text}}}"
    text += TRAINING_SIGNS[cell.training]
    if intervals and cell.interval:
        low, high = cell.interval
        text += f"\\ci{{{low:.{digits}f}}}{{{high:.{digits}f}}}"
    return text


def escape_latex(text: str) -> str:
    """Escape text from outside, so that LaTeX prints it as it is.

    pdflatex stops at characters without a font, so characters beyond Latin are printed as their code points.
    """
    return "".join(map(_escape_char, " ".join(text.split()))).replace("--", "-{}-")  # two hyphens would print a dash


def _escape_char(char: str) -> str:
    if char in ESCAPES:
        return ESCAPES[char]
    return char if " " <= char <= "ſ" else f"[U+{ord(char):04X}]"


def escape_prose(text: str) -> str:
    """Escape text as escape_latex() does, and let lines break within its longest words, such as names of folders."""
    words = re.finditer(rf"[^\s|,]{{{LONG_WORD + 1},}}", text)
    cuts = [cut for word in words for cut in range(word.start() + PIECE, word.end(), PIECE)]
    return r"\allowbreak{}".join(escape_latex(text[start:end]) for start, end in pairwise([0, *cuts, len(text)]))


def stack_words(text: str) -> str:
    """Escape text, and break it into short lines above each other where it has spaces."""
    lines = textwrap.wrap(text, STACKED, break_long_words=False, break_on_hyphens=False)
    stacked = r" \\ ".join(map(escape_latex, lines))
    return rf"\shortstack{{{stacked}}}" if len(lines) > 1 else stacked


def allow_breaks(signature: str) -> str:
    """Escape a signature, and let lines break after each of its fields and subsets, and within the longest."""
    return escape_prose(signature).replace(r"\textbar{}", r"\textbar\allowbreak{}").replace(",", r",\allowbreak{}")
