"""The LaTeX figure that includes a grid."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from disbench.errors import InputError
from disbench.reports.cases import NO_CASES, Case, describe_selection
from disbench.reports.grid_style import GridStyle
from disbench.reports.latex import escape_latex
from disbench.reports.options import check_label

INCLUDED = (".pdf", ".png")  # what \includegraphics reads
COLUMN = 3.6  # inches: wider figures span both columns of a page
LABEL = "fig:grid"


def render_figure(path: Path, cases: Sequence[Case], style: GridStyle, caption: str = "", label: str = LABEL) -> str:
    r"""Render the figure environment of a grid, to \input. It needs only graphicx.

    Args:
        path: the grid, relative to the folder of the LaTeX file.
        cases: rows of the grid.
        style: how it looks.
        caption: LaTeX. Default: what the columns, rows and insets are.
        label: for \ref.

    Raises:
        InputError: if there are no cases, for a picture that LaTeX cannot include, and for a label that is none.
    """
    if not cases:
        raise InputError(NO_CASES)
    if path.suffix.lower() not in INCLUDED:
        raise InputError(f"{path}: LaTeX includes only {' and '.join(INCLUDED)}; choose another --out, or omit --tex")
    if not re.fullmatch(r"[\w./-]+", path.as_posix(), re.ASCII):
        raise InputError(f"{path}: LaTeX may not find a file of this name; use letters, digits, '.', '-' and '_'")
    check_label(label)
    environment = "figure*" if style.width > COLUMN else "figure"
    lines = [
        r"% Needs \usepackage{graphicx}. Put the picture where the paper's main file is, or set \graphicspath.",
        rf"\begin{{{environment}}}[t]",
        r"  \centering",
        rf"  \includegraphics[width=\linewidth]{{{path.as_posix()}}}",
        rf"  \caption{{{caption or _describe(cases, style)}}}",
        rf"  \label{{{label}}}",
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def _describe(cases: Sequence[Case], style: GridStyle) -> str:
    """Describe columns, rows and insets of a grid as a caption."""
    first = next(iter(cases[0].masks))
    if style.paper:
        sentences = ["Visual comparison. From left to right: image, ground truth (GT), and the maps of each method."]
    else:
        sentences = [f"Images, ground truths, the maps of each method, and the errors of {first}."]
    sentences += [describe_selection(first, style.selection), style.insets.describe(len(cases))]
    return escape_latex(" ".join(filter(None, sentences)))
