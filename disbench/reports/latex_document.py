"""Floating tables as LaTeX: the packages and macros that they need, captions, labels and notes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from disbench.reports.latex_text import NEEDS_T1, escape_latex, stack_words


@dataclass(frozen=True, kw_only=True)
class Float:
    """A floating table.

    Attributes:
        tabular: its tabular environment.
        caption: its caption.
        label: the key that refers to it.
        notes: paragraphs below it.
        wide: whether it spans both columns of a page.
        height: the fraction of a page's height that the tabular may take.
        separator: points on each side of a column.
    """

    tabular: str
    caption: str
    label: str
    notes: Sequence[str] = ()
    wide: bool = False
    height: float = 0.8
    separator: float = 3.5


@dataclass(frozen=True, kw_only=True)
class Style:
    r"""What is around floating tables.

    Attributes:
        marks: the preset of the macros of ranks, "bold" or "colour". None: no macros.
        tied: whether a score has the sign of a tie.
        intervals: whether scores have intervals.
        standalone: a document that compiles, in place of tables to \input.
        bibliography: the name of a BibTeX file that the document cites. "": none.
        comment: a line for the authors.
    """

    marks: str | None = None
    tied: bool = False
    intervals: bool = False
    standalone: bool = False
    bibliography: str = ""
    comment: str = ""

    @property
    def packages(self) -> str:
        """The packages that the tables need."""
        return "booktabs,graphicx" + ",xcolor" * (self.marks == "colour")


def render_floats(floats: Sequence[Float], style: Style) -> str:
    """Render floating tables, one after the other."""
    text = fill_template("table.tex.j2", floats=floats, style=style)
    if style.standalone:
        return text
    encoding = r"\usepackage[T1]{fontenc} and " if NEEDS_T1 & set(text) else ""
    return rf"% Needs {encoding}\usepackage{{{style.packages}}}." + "\n" + text


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
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    )
    environment.filters |= {"tex": escape_latex, "stacked": stack_words}
    return environment.get_template(template).render(**values)
