"""The curves of several methods as one figure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from disbench.errors import escape_control_chars
from disbench.metrics.catalogue import METRICS
from disbench.reports.curve_sets import PANELS, CurvePanel, CurveSet, MethodCurves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# Distinct under every common form of colour blindness (Okabe and Ito, 2008). In grey, dashes and marks set methods
# apart. The numbers of colours and dashes have no common divisor, so a pair repeats only after 28 methods.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#222222", "#cc79a7", "#e69f00", "#56b4e9")
DASHES = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
MARKS = "osD^vPX"
INK, SOFT, RULE = "#1d1d1f", "#66666b", "#e2e2dc"
MAX_TITLE = 32  # characters of a method's title
MAX_DATASET = 70  # characters of the data set's title

# Inches.
LEFT, RIGHT, PANEL_GAP = 0.34, 0.12, 0.28
HEAD, PANEL, AXIS = 0.52, 2.05, 0.38  # heights of the headings, of a panel, and of the labels under it
LEGEND_LINE, NOTE_LINE = 0.155, 0.085
LEGEND_LETTER, LEGEND_MARGIN = 0.055, 0.93  # widths of a letter, and of a legend column next to its title
NOTE_LETTERS_PER_INCH = 24.5


@dataclass(frozen=True)
class _Layout:
    """Sizes of the parts of the figure, in inches."""

    width: float
    legend: float
    foot: float

    @property
    def height(self) -> float:
        return HEAD + PANEL + AXIS + self.legend + self.foot

    def panel_box(self, k: int) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height of the k-th panel, relative to the figure."""
        side = (self.width - LEFT - RIGHT - (len(PANELS) - 1) * PANEL_GAP) / len(PANELS)
        left, bottom = LEFT + k * (side + PANEL_GAP), self.height - HEAD - PANEL
        return left / self.width, bottom / self.height, side / self.width, PANEL / self.height


def draw_figure(curve_set: CurveSet, width: float = 7.2) -> Figure:
    """Draw three panels side by side.

    The largest F (in the first two panels) and the largest E are marked. The legend lists methods by their largest F.
    Titles are printed as they are: a $ is a $.

    Args:
        curve_set: curves to draw.
        width: inches.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    methods = curve_set.methods
    best = [float(method.values["f"].max()) for method in methods]
    order = sorted(range(len(methods)), key=lambda i: -best[i])
    titles = [_shorten(escape_control_chars(method.title), MAX_TITLE) for method in methods]
    column_width = LEGEND_LETTER * max(map(len, titles)) + LEGEND_MARGIN
    columns = max(1, min(len(methods), int((width - 0.3) // column_width)))
    legend_rows = -(-len(methods) // columns)
    notes = _make_notes(methods, width)
    layout = _Layout(width, legend=0.28 + LEGEND_LINE * legend_rows, foot=0.12 + NOTE_LINE * len(notes))
    fonts: dict[Any, Any] = {"pdf.fonttype": 42, "font.family": "DejaVu Sans", "font.size": 7}
    with mpl.rc_context(fonts | {"axes.unicode_minus": False}):
        figure = Figure(figsize=(width, layout.height), dpi=300, facecolor="white")
        for k, panel in enumerate(PANELS):
            axes = figure.add_axes(layout.panel_box(k))
            _style_axes(axes, panel, _choose_floor(best))
            for i in reversed(order):  # the best method on top
                _draw_curve(axes, i, methods[i].values, panel)
        _add_headings(figure, layout, curve_set)
        handles = [_make_handle(i, f"{titles[i]}  {best[i]:.3f}") for i in order]
        _add_legend(figure, layout, handles, columns)
        _add_notes(figure, layout, notes)
    return figure


def _add_headings(figure: Figure, layout: _Layout, curve_set: CurveSet) -> None:
    style: dict[str, Any] = {"va": "top", "parse_math": False}
    title = _shorten(escape_control_chars(curve_set.dataset), MAX_DATASET)
    left, top = LEFT / layout.width, 1 - 0.1 / layout.height
    figure.text(left, top, title, ha="left", color=INK, fontsize=9.5, weight="bold", **style)
    subset = f"{escape_control_chars(curve_set.split)} · {curve_set.methods[0].n:,} images"
    right, top = 1 - RIGHT / layout.width, 1 - 0.12 / layout.height
    figure.text(right, top, subset, ha="right", color=SOFT, fontsize=8, **style)


def _add_legend(figure: Figure, layout: _Layout, handles: Sequence[Line2D], columns: int) -> None:
    # matplotlib fills the columns of a legend one by one. This order makes it read row by row.
    by_column = [handle for column in range(columns) for handle in handles[column::columns]]
    legend = figure.legend(
        handles=by_column,
        loc="upper center",
        bbox_to_anchor=(0.5, (layout.legend + layout.foot) / layout.height),
        ncols=columns,
        title=f"Method and {METRICS['f_max'].symbol}; marks: where F, and in the last panel E, is largest",
        frameon=False,
        handlelength=3.2,
        columnspacing=1.8,
        title_fontsize=6.5,
    )
    legend.get_title().set_color(SOFT)
    for label in legend.get_texts():
        label.set_parse_math(False)


def _add_notes(figure: Figure, layout: _Layout, notes: Sequence[str]) -> None:
    style: dict[str, Any] = {"ha": "left", "va": "bottom", "color": SOFT, "parse_math": False, "fontsize": 4.6}
    for k, note in enumerate(reversed(notes)):
        figure.text(LEFT / layout.width, (0.07 + NOTE_LINE * k) / layout.height, note, **style)


def _style_axes(axes: Axes, panel: CurvePanel, floor: float) -> None:
    x_end = 255 if panel.x is None else 1
    axes.set_title(panel.title, fontsize=7.5, loc="left", color=INK, pad=4)
    axes.set_xlabel(panel.x_label, color=INK, labelpad=2)
    axes.set(xlim=(0, x_end), ylim=(floor, 1))
    axes.set_xticks(np.arange(0, 256, 51) if panel.x is None else np.linspace(0, 1, 6))
    axes.set_yticks(np.arange(round(floor * 10), 11, 1 if floor >= 0.4 else 2) / 10)
    axes.tick_params(length=0, labelsize=6, labelcolor=SOFT, pad=2.5)
    axes.grid(color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color=SOFT, linewidth=0.6)


def _draw_curve(axes: Axes, index: int, values: dict[str, np.ndarray], panel: CurvePanel) -> None:
    y = values[panel.y]
    x = np.arange(len(y)) if panel.x is None else values[panel.x]
    # On precision and recall, the mark is where F is largest.
    best = int(values["f" if panel.x else panel.y].argmax())
    axes.plot(x, y, **_line_style(index))
    axes.plot(x[best], y[best], clip_on=False, zorder=4, **_mark_style(index))


def _line_style(index: int) -> dict[str, Any]:
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": DASHES[index % len(DASHES)], "linewidth": 1.25}


def _mark_style(index: int) -> dict[str, Any]:
    colour = COLOURS[index % len(COLOURS)]
    return {"marker": MARKS[index % len(MARKS)], "markersize": 4.2, "color": colour, "mec": "white", "mew": 0.5}


def _make_handle(index: int, label: str) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **(_mark_style(index) | _line_style(index)))


def _choose_floor(best: Sequence[float]) -> float:
    """Choose where the y axes start: low enough to show the worst method, high enough to set good methods apart."""
    return max(0.0, np.floor((min(best) - 0.25) * 5) / 5)


def _make_notes(methods: Sequence[MethodCurves], width: float) -> list[str]:
    """Return the signatures, with their methods if they differ, wrapped into lines that fit."""
    titles: dict[str, list[str]] = {}  # by signature
    for method in methods:
        titles.setdefault(method.signature, []).append(method.title)
    lines = []
    for signature, names in titles.items():
        note = f"{', '.join(names)}: {signature}" if len(titles) > 1 else signature
        lines += textwrap.wrap(escape_control_chars(note), int(width * NOTE_LETTERS_PER_INCH))
    return lines


def _shorten(title: str, length: int) -> str:
    return title if len(title) <= length else f"{title[: length // 2]}…{title[1 - length // 2 :]}"
