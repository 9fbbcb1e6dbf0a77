"""The qualitative grid: image, truth, predictions and the errors of the first, from easy to hard, with an inset."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from disbench.errors import InputError
from disbench.reports.cases import NO_CASES, Case, describe_selection, shorten_name
from disbench.reports.tiles import FALSE_NEGATIVE, FALSE_POSITIVE, make_tiles
from disbench.system.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".pdf", ".png", ".html")
DPI = 300
LETTER, LINE = 0.6 * 6.5 / 72, 0.11  # inches: a heading's letters on average, and its lines


def write_grid(path: Path, cases: Sequence[Case], how: str = "spread") -> None:
    """The grid as PDF, PNG or a page of its own, as the suffix says; `how` the cases were chosen is written in it."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: grids are written to {', '.join(SUFFIXES)}")
    if suffix == ".html":
        from disbench.reports.html import render_grid_page

        data = render_grid_page(cases, how).encode()
    else:
        file = io.BytesIO()
        undated = {"CreationDate": None} if suffix == ".pdf" else None  # the same pictures give the same bytes
        draw_grid(cases, how=how).savefig(file, format=suffix[1:], metadata=undated)
        data = file.getvalue()
    try:
        write_atomic(path, data)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; choose another place with --out") from None


def draw_grid(cases: Sequence[Case], width: float = 7.0, how: str = "spread") -> Figure:
    """The grid as a figure `width` inches wide, for `savefig` to PNG or PDF. InputError where there is no case."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    if not cases:
        raise InputError(NO_CASES)
    titles = list(dict.fromkeys(title for case in cases for title in case.masks))
    columns = ["Image", "Ground truth", *titles, "Errors"]
    gap, left, bottom, under = 0.04, 0.24, 0.3, 0.14  # inches
    side = (width - left - gap * len(columns)) / len(columns)
    heads = [textwrap.wrap(head, max(1, int(side / LETTER))) for head in (*columns[:-1], f"Errors of {titles[0]}")]
    top = 0.22 + LINE * (max(map(len, heads)) - 1)
    rows = [make_tiles(case, round(side * DPI)) for case in cases]
    heights = [row["Image"].shape[0] / DPI for row in rows]
    height = top + sum(heights) + len(rows) * (under + gap) + bottom
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")

    def put(text, x, y, **style):
        plain = {"fontsize": 6.5, "ha": "center", "va": "center", "color": "#222", "parse_math": False}
        figure.text(x / width, 1 - y / height, text, **plain | style)

    centres = [left + k * (side + gap) + side / 2 for k in range(len(columns))]
    for head, x in zip(heads, centres, strict=True):
        put("\n".join(head), x, top - 0.06, va="baseline", linespacing=1)
    y = top
    for case, row, high in zip(cases, rows, heights, strict=True):
        name = f"{case.sample.split}\n{shorten_name(case.sample.name)}"
        put(name, (left - gap) / 2, y + high / 2, rotation=90, fontsize=5)
        for column, x in zip(columns, centres, strict=True):
            if column not in row:
                put("–", x, y + high / 2)
                continue
            wide = row[column].shape[1] / DPI
            box = ((x - wide / 2) / width, 1 - (y + high) / height, wide / width, high / height)
            axes = figure.add_axes(box, xticks=[], yticks=[])
            axes.imshow(row[column], aspect="auto", interpolation="none")
            axes.spines[:].set(linewidth=0.3, color="#999")
            if column in case.scores:
                put(f"{case.scores[column]:.3f}", x, y + high + 0.03, va="top")
        y += high + under + gap
    put(describe_selection(titles[0], how), left, height - 0.19, fontsize=6, ha="left")
    put("Under each prediction: the image's largest F over all thresholds.", left, height - 0.08, fontsize=6, ha="left")
    keys = {"false foreground": FALSE_POSITIVE, "missed foreground": FALSE_NEGATIVE}
    handles = [Patch(facecolor=np.array(c) / 255, label=label) for label, c in keys.items()]
    legend = figure.legend(handles=handles, loc="lower right", ncols=2, fontsize=6, frameon=False, borderaxespad=0.2)
    for text in legend.get_texts():
        text.set_parse_math(False)  # a $ in a name is a $
    return figure
