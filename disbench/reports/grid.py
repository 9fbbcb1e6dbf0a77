"""The qualitative grid as a figure: a row per image, with its ground truth, predictions, and the errors of the first.

An inset magnifies the finest structure.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from disbench.errors import InputError
from disbench.reports.cases import NO_CASES, Case, describe_selection, shorten_name
from disbench.reports.output import write_output
from disbench.reports.tiles import FALSE_NEGATIVE, FALSE_POSITIVE, make_tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".pdf", ".png", ".html")
DPI = 300
INCH = 72  # points
HEAD_SIZE = 6.5  # points
LETTER, LINE = 0.6 * HEAD_SIZE / INCH, 0.11  # inches: average width of a heading's letters, height of its lines
GAP, LEFT, BOTTOM, UNDER = 0.04, 0.24, 0.3, 0.14  # inches: between tiles, left margin, bottom margin, under a tile


def write_grid(path: Path, cases: Sequence[Case], selection: str = "spread") -> None:
    """Write the grid as PDF, PNG or an HTML page, by the suffix.

    Args:
        path: the file.
        cases: rows of the grid.
        selection: how the cases were selected, which the grid says; see disbench.reports.cases.select_rows.

    Raises:
        InputError: for another suffix, no cases, and a file that cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: grids are written to {', '.join(SUFFIXES)}")
    if suffix == ".html":
        from disbench.reports.html import render_grid_page

        write_output(path, render_grid_page(cases, selection))
        return
    file = io.BytesIO()
    undated = {"CreationDate": None} if suffix == ".pdf" else None  # the same pictures give the same bytes
    draw_grid(cases, selection=selection).savefig(file, format=suffix[1:], metadata=undated)
    write_output(path, file.getvalue())


def draw_grid(cases: Sequence[Case], width: float = 7.0, selection: str = "spread") -> Figure:
    """Draw the grid as a figure.

    Args:
        cases: rows of the grid.
        width: inches.
        selection: as in `write_grid`.

    Raises:
        InputError: if there are no cases.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    if not cases:
        raise InputError(NO_CASES)
    titles = list(dict.fromkeys(title for case in cases for title in case.masks))
    columns = ["Image", "Ground truth", *titles, "Errors"]
    side = (width - LEFT - GAP * len(columns)) / len(columns)
    heads = [textwrap.wrap(head, max(1, int(side / LETTER))) for head in (*columns[:-1], f"Errors of {titles[0]}")]
    top = 0.22 + LINE * (max(map(len, heads)) - 1)
    rows = [make_tiles(case, round(side * DPI)) for case in cases]
    heights = [row["Image"].shape[0] / DPI for row in rows]
    height = top + sum(heights) + len(rows) * (UNDER + GAP) + BOTTOM
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")

    def put_text(text: str, x: float, y: float, **style: Any) -> None:
        """Put text at (x, y) inches from the top left corner."""
        default: dict[str, Any] = {"fontsize": HEAD_SIZE, "ha": "center", "va": "center", "color": "#222"}
        figure.text(x / width, 1 - y / height, text, parse_math=False, **default | style)

    centres = [LEFT + k * (side + GAP) + side / 2 for k in range(len(columns))]
    for head, x in zip(heads, centres, strict=True):
        put_text("\n".join(head), x, top - 0.06, va="baseline", linespacing=1)
    y = top
    for case, row, tile_height in zip(cases, rows, heights, strict=True):
        name = f"{case.sample.split}\n{shorten_name(case.sample.name)}"
        put_text(name, (LEFT - GAP) / 2, y + tile_height / 2, rotation=90, fontsize=5)
        for column, x in zip(columns, centres, strict=True):
            if column not in row:
                put_text("–", x, y + tile_height / 2)
                continue
            tile_width = row[column].shape[1] / DPI
            box = (
                (x - tile_width / 2) / width,
                1 - (y + tile_height) / height,
                tile_width / width,
                tile_height / height,
            )
            axes = figure.add_axes(box, xticks=[], yticks=[])
            axes.imshow(row[column], aspect="auto", interpolation="none")
            axes.spines[:].set(linewidth=0.3, color="#999")
            if column in case.scores:
                put_text(f"{case.scores[column]:.3f}", x, y + tile_height + 0.03, va="top")
        y += tile_height + UNDER + GAP
    put_text(describe_selection(titles[0], selection), LEFT, height - 0.19, fontsize=6, ha="left")
    note = "Under each prediction: the image's largest F over all thresholds."
    put_text(note, LEFT, height - 0.08, fontsize=6, ha="left")
    colours = {"false foreground": FALSE_POSITIVE, "missed foreground": FALSE_NEGATIVE}
    handles = [Patch(facecolor=(r / 255, g / 255, b / 255), label=label) for label, (r, g, b) in colours.items()]
    legend = figure.legend(handles=handles, loc="lower right", ncols=2, fontsize=6, frameon=False, borderaxespad=0.2)
    for text in legend.get_texts():
        text.set_parse_math(False)  # a $ in a name is a $
    return figure
