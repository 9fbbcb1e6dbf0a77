"""The qualitative grid: a row for each image, with its ground truth and the predictions of each method.

Insets magnify fine structure. The errors of the first method are in the last column, or the grid is a figure for a
paper: pictures and names only.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from disbench.errors import InputError
from disbench.reports.cases import NO_CASES, Case
from disbench.reports.fonts import report_missing_glyphs
from disbench.reports.grid_style import GridStyle
from disbench.reports.output import write_output

SUFFIXES = (".pdf", ".png", ".svg", ".html")
# Text stays text that can be selected and edited; the same pictures give the same bytes.
SAVING: dict[Any, Any] = {"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "disbench"}
UNDATED = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}, ".png": None}


def write_grid(path: Path, cases: Sequence[Case], style: GridStyle | None = None) -> None:
    """Write the grid as PDF, PNG, SVG or an HTML page, by the suffix.

    Args:
        path: the file.
        cases: rows of the grid.
        style: how it looks; its insets are resolved.

    Raises:
        InputError: for another suffix, no cases, insets that do not fit, and a file that cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: grids are written to {', '.join(SUFFIXES)}")
    if not cases:
        raise InputError(NO_CASES)
    style = style or GridStyle()
    if suffix == ".html":
        from disbench.reports.html import render_grid_page

        write_output(path, render_grid_page(cases, style))
        return
    from matplotlib import rc_context

    from disbench.reports.grid_figure import draw_grid

    file = io.BytesIO()
    with rc_context(SAVING):
        options: dict[str, Any] = {"metadata": UNDATED[suffix]}
        if suffix == ".png":  # faster than level 6, and no larger for photos
            options["pil_kwargs"] = {"compress_level": 3}
        with report_missing_glyphs():
            draw_grid(cases, style).savefig(file, format=suffix[1:], **options)
    write_output(path, file.getvalue())
