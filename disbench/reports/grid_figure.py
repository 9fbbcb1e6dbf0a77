"""The qualitative grid as a figure."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from disbench.errors import InputError
from disbench.reports.cases import Case, describe_selection, map_cases, shorten_name
from disbench.reports.grid_style import GridStyle
from disbench.reports.insets import OUTLINE
from disbench.reports.tiles import FALSE_NEGATIVE, FALSE_POSITIVE, make_tiles

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

INCH = 72  # points
HEAD_SIZE, PAPER_SIZE = 6.5, 8.0  # points
LINE = 0.11  # inches: height of a line of HEAD_SIZE
LETTER = 0.6  # average width of a letter, relative to its size
GAP, LEFT, BOTTOM, UNDER = 0.04, 0.24, 0.08, 0.14  # inches: between tiles, left margin, above the notes, under a tile
LEAST_SIDE = 0.2  # inches of a column
PAPER_FONTS = ("STIXGeneral", "DejaVu Serif")  # like the Times of papers; both come with matplotlib
SHORT_NAMES = {"Ground truth": "GT"}  # in papers


class _Sheet:
    """A figure that is filled by inches from its top left corner."""

    def __init__(self, width: float, height: float, dpi: int):
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), dpi=dpi, facecolor="white")
        self.figure.suppressComposite = True  # a PDF has each picture as it is
        # For all pictures, since making axes takes longer than making a tile.
        self.axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
        self.axes.set_axis_off()

    def put_text(self, text: str, x: float, y: float, **style: Any) -> None:
        """Put text at (x, y)."""
        default: dict[str, Any] = {"fontsize": HEAD_SIZE, "ha": "center", "va": "center", "color": "#222"}
        self.figure.text(x / self.width, 1 - y / self.height, text, parse_math=False, **default | style)

    def put_picture(self, pixels: np.ndarray, x: float, y: float) -> None:
        """Put a picture with the middle of its upper edge at (x, y)."""
        from matplotlib.patches import Rectangle

        height, width = (side / self.figure.dpi for side in pixels.shape[:2])
        extent = (x - width / 2, x + width / 2, y + height, y)
        self.axes.imshow(pixels, aspect="auto", interpolation="none", extent=extent)
        frame = Rectangle((extent[0], y), width, height, fill=False, linewidth=0.3, edgecolor="#999")
        self.axes.add_patch(frame)


def draw_grid(cases: Sequence[Case], style: GridStyle | None = None) -> Figure:
    """Draw the grid as a figure.

    Args:
        cases: rows of the grid, at least one.
        style: how it looks; its insets are resolved.

    Raises:
        InputError: if the figure is too narrow for its columns.
    """
    style = style or GridStyle()
    return _draw_paper_grid(cases, style) if style.paper else _draw_full_grid(cases, style)


def _draw_full_grid(cases: Sequence[Case], style: GridStyle) -> Figure:
    """Draw the grid with scores, the errors of the first method, and notes."""
    titles = list(dict.fromkeys(title for case in cases for title in case.masks))
    columns = ["Image", "Ground truth", *titles, "Errors"]
    side = _divide_width(style.width, len(columns), margin=LEFT + GAP)
    heads = [_wrap(head, side, HEAD_SIZE) for head in (*columns[:-1], f"Errors of {titles[0]}")]
    top = 0.22 + LINE * (max(map(len, heads)) - 1)
    make_row = partial(make_tiles, width=round(side * style.dpi), insets=style.insets)
    rows = map_cases(make_row, cases)
    heights = [row["Image"].shape[0] / style.dpi for row in rows]
    notes = [
        describe_selection(titles[0], style.selection),
        "Under each prediction: the image's largest F over all thresholds.",
    ]
    if style.insets != OUTLINE:  # unlike in every other grid
        notes.insert(1, style.insets.describe(len(cases)))
    height = top + sum(heights) + len(rows) * (UNDER + GAP) + BOTTOM + LINE * len(notes)
    sheet = _Sheet(style.width, height, style.dpi)
    centres = [LEFT + k * (side + GAP) + side / 2 for k in range(len(columns))]
    for head, x in zip(heads, centres, strict=True):
        sheet.put_text("\n".join(head), x, top - 0.06, va="baseline", linespacing=1)
    y = top
    for case, row, tile_height in zip(cases, rows, heights, strict=True):
        name = f"{case.sample.split}\n{shorten_name(case.sample.name)}"
        sheet.put_text(name, (LEFT - GAP) / 2, y + tile_height / 2, rotation=90, fontsize=5)
        for column, x in zip(columns, centres, strict=True):
            _put_tile(sheet, row, column, x, y)
            if column in case.scores:
                sheet.put_text(f"{case.scores[column]:.3f}", x, y + tile_height + 0.03, va="top")
        y += tile_height + UNDER + GAP
    for up, note in enumerate(reversed(notes)):
        sheet.put_text(note, LEFT, height - 0.08 - LINE * up, fontsize=6, ha="left")
    _put_legend(sheet)
    return sheet.figure


def _draw_paper_grid(cases: Sequence[Case], style: GridStyle) -> Figure:
    """Draw the grid as in a paper: pictures, and a name below each column."""
    columns = ["Image", "Ground truth", *style.methods]
    side = _divide_width(style.width, len(columns))
    names = [_wrap(SHORT_NAMES.get(column, column), side, PAPER_SIZE) for column in columns]
    line = LINE * PAPER_SIZE / HEAD_SIZE
    make_row = partial(make_tiles, width=round(side * style.dpi), insets=style.insets, with_errors=False)
    rows = map_cases(make_row, cases)
    heights = [row["Image"].shape[0] / style.dpi for row in rows]
    below = sum(heights) + len(rows) * GAP
    sheet = _Sheet(style.width, below + line * max(map(len, names)) + GAP, style.dpi)
    centres = [k * (side + GAP) + side / 2 for k in range(len(columns))]
    y = 0.0
    for row, tile_height in zip(rows, heights, strict=True):
        for column, x in zip(columns, centres, strict=True):
            _put_tile(sheet, row, column, x, y)
        y += tile_height + GAP
    for name, x in zip(names, centres, strict=True):
        text = "\n".join(name)
        sheet.put_text(text, x, below, va="top", fontsize=PAPER_SIZE, linespacing=1, family=PAPER_FONTS, color="black")
    return sheet.figure


def _divide_width(width: float, columns: int, margin: float = 0) -> float:
    """Return the width of a column, in inches."""
    taken = margin + GAP * (columns - 1)
    side = (width - taken) / columns
    if side < LEAST_SIDE:
        least = LEAST_SIDE * columns + taken
        advice = f"give a --width from {math.ceil(10 * least) / 10}, or fewer runs"
        raise InputError(f"{columns} columns are too many for {width:.1f} inches; {advice}")
    return side


def _wrap(text: str, width: float, size: float) -> list[str]:
    """Break text into lines of `width` inches, in letters of `size` points."""
    return textwrap.wrap(text, max(1, int(width / (LETTER * size / INCH)))) or [""]


def _put_tile(sheet: _Sheet, row: dict[str, np.ndarray], column: str, x: float, y: float) -> None:
    """Put the picture of a column, or a dash for a missing map."""
    if column in row:
        sheet.put_picture(row[column], x, y)
    else:
        sheet.put_text("–", x, y + row["Image"].shape[0] / sheet.figure.dpi / 2)


def _put_legend(sheet: _Sheet) -> None:
    from matplotlib.patches import Patch

    colours = {"false foreground": FALSE_POSITIVE, "missed foreground": FALSE_NEGATIVE}
    handles = [Patch(facecolor=(r / 255, g / 255, b / 255), label=label) for label, (r, g, b) in colours.items()]
    legend = sheet.figure.legend(
        handles=handles, loc="lower right", ncols=2, fontsize=6, frameon=False, borderaxespad=0.2
    )
    for text in legend.get_texts():
        text.set_parse_math(False)  # a $ in a name is a $
