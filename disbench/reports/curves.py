"""Precision against recall, F and E against the threshold, of several methods: one figure, or its numbers."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from disbench.data.dataset import OVERALL
from disbench.errors import InputError, escape_control_chars, escape_csv_formula, suggest_names
from disbench.metrics.catalogue import METRICS
from disbench.metrics.scoring import curves
from disbench.runs.comparable import check_comparable, count_images
from disbench.runs.result import Result, common_subsets
from disbench.system.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".pdf", ".png", ".csv", ".json")
MEASURES = ("precision", "recall", "f", "e")
# What is drawn: title, (key, label) of x and y. Without x, the threshold.
PANELS = (
    ("Precision and recall", ("recall", "Recall"), ("precision", "Precision")),
    ("F-measure", (None, "Threshold"), ("f", "")),
    ("E-measure", (None, "Threshold"), ("e", "")),
)
# Apart in every common form of colour blindness (Okabe and Ito, 2008); dashes and marks tell them apart in grey. The
# numbers of colours and dashes have no common divisor, so their pairs repeat after 28 methods only.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#222222", "#cc79a7", "#e69f00", "#56b4e9")
DASHES = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
MARKS = "osD^vPX"
INK, SOFT, RULE = "#1d1d1f", "#66666b", "#e2e2dc"


@dataclass(frozen=True)
class Curves:
    """Mean curves of one method on one subset of `n` images: measure -> float64 (256,), by threshold 0 to 255."""

    title: str
    signature: str
    n: int
    values: dict[str, np.ndarray]


def collect_curves(results: Sequence[Result], split: str | None = None) -> tuple[str, list[Curves]]:
    """The subset and the curves of every result on it, in their order.

    `split` is a subset or Overall; None: Overall if all results have it, else the first that all have. InputError
    where results must not stand side by side, or where one has no such subset.
    """
    check_comparable(results)
    common = common_subsets(results)
    if split is None:
        if not common:
            raise InputError("these results share no whole subset; choose results that do")
        split = OVERALL if OVERALL in common else common[0]
    if split not in common:
        lacking = ", ".join(result.title for result in results if split not in result.subsets)
        raise InputError(f"--split {split}: {lacking} was not scored on it; {suggest_names(split, common)}")
    several = len({result.protocol for result in results}) > 1
    return split, [
        Curves(
            f"{r.title} ({r.protocol})" if several else r.title,
            r.signature,
            count_images(r, split),
            curves(r.measurements(split), r.protocol, MEASURES),
        )
        for r in results
    ]


def write_curves(path: Path, results: Sequence[Result], split: str | None = None) -> None:
    """The figure as PDF or PNG, or the numbers as CSV or JSON, as the suffix says."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: curves are written to {', '.join(SUFFIXES)}")
    split, found = collect_curves(results, split)
    dataset = results[0].dataset
    if suffix == ".csv":
        data = curves_to_csv(dataset, split, found).encode()
    elif suffix == ".json":
        data = curves_to_json(dataset, split, found)
    else:
        file = io.BytesIO()
        undated = {"CreationDate": None} if suffix == ".pdf" else None  # the same numbers give the same bytes
        draw_figure(dataset, split, found).savefig(file, format=suffix[1:], metadata=undated)
        data = file.getvalue()
    try:
        write_atomic(path, data)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; choose another place with --out") from None


def curves_to_csv(dataset: str, split: str, found: Sequence[Curves]) -> str:
    """A record per method and threshold, whose values read back as the very same floats."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("dataset", "split", "method", "threshold", *MEASURES, "n", "signature"))
    for one in found:
        for threshold in range(len(one.values["f"])):
            values = (repr(float(one.values[name][threshold])) for name in MEASURES)
            writer.writerow((*map(escape_csv_formula, (dataset, split, one.title)), threshold, *values, one.n, escape_csv_formula(one.signature)))
    return file.getvalue()


def curves_to_json(dataset: str, split: str, found: Sequence[Curves]) -> bytes:
    """The same as one object: each curve a list of 256 numbers, by threshold."""
    import msgspec

    methods = [
        {"method": one.title, "signature": one.signature, "n": one.n}
        | {name: one.values[name].tolist() for name in MEASURES}
        for one in found
    ]
    return msgspec.json.encode({"dataset": dataset, "split": split, "methods": methods})


def draw_figure(dataset: str, split: str, found: Sequence[Curves], width: float = 7.2) -> Figure:
    """Three panels side by side, `width` inches in all; the best F (in the first two) and the best E are marked.

    The legend goes from the best max F down. Titles are printed as they are: a $ in one is a $.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    best = [float(one.values["f"].max()) for one in found]
    order = sorted(range(len(found)), key=lambda i: -best[i])
    names = [_short(escape_control_chars(one.title)) for one in found]
    columns = max(1, min(len(found), int((width - 0.3) // (0.055 * max(map(len, names)) + 0.93))))
    rows = -(-len(found) // columns)
    notes = _notes(found, width)
    head, panel, legend, foot = 0.52, 2.05, 0.28 + 0.155 * rows, 0.12 + 0.085 * len(notes)
    height = head + panel + 0.38 + legend + foot
    with mpl.rc_context(
        {"pdf.fonttype": 42, "font.family": "DejaVu Sans", "font.size": 7, "axes.unicode_minus": False}
    ):
        drawn = Figure(figsize=(width, height), dpi=300, facecolor="white")
        left, gap, right = 0.34, 0.28, 0.12
        side = (width - left - right - 2 * gap) / 3
        for k, (title, (x, x_label), (y, _)) in enumerate(PANELS):
            box = (left + k * (side + gap), height - head - panel, side, panel)
            axes = drawn.add_axes([box[0] / width, box[1] / height, box[2] / width, box[3] / height])
            _panel(axes, title, x_label, _floor(best))
            for i in reversed(order):  # the best on top
                _draw(axes, i, found[i].values, x, y)
        text = {"ha": "left", "va": "top", "color": INK, "parse_math": False}
        drawn.text(left / width, 1 - 0.1 / height, _short(escape_control_chars(dataset), 70), fontsize=9.5, weight="bold", **text)
        subset = f"{escape_control_chars(split)} · {found[0].n:,} images"
        drawn.text(1 - right / width, 1 - 0.12 / height, subset, fontsize=8, **text | {"ha": "right", "color": SOFT})
        handles = [_handle(i, f"{names[i]}  {best[i]:.3f}") for i in order]
        key = drawn.legend(
            handles=_by_column(handles, columns),
            loc="upper center",
            bbox_to_anchor=(0.5, (legend + foot) / height),
            ncols=columns,
            title=f"Method and {METRICS['f_max'].symbol}; marks: where F, and in the last panel E, is largest",
            frameon=False,
            handlelength=3.2,
            columnspacing=1.8,
            title_fontsize=6.5,
        )
        key.get_title().set_color(SOFT)
        for label in key.get_texts():
            label.set_parse_math(False)
        for k, note in enumerate(reversed(notes)):
            drawn.text(
                left / width, (0.07 + 0.085 * k) / height, note, fontsize=4.6, **text | {"va": "bottom", "color": SOFT}
            )
    return drawn


def _panel(axes, title: str, x_label: str, floor: float) -> None:
    threshold = x_label == "Threshold"
    axes.set_title(title, fontsize=7.5, loc="left", color=INK, pad=4)
    axes.set_xlabel(x_label, color=INK, labelpad=2)
    axes.set(xlim=(0, 255 if threshold else 1), ylim=(floor, 1))
    axes.set_xticks(np.arange(0, 256, 51) if threshold else np.linspace(0, 1, 6))
    axes.set_yticks(np.arange(round(floor * 10), 11, 1 if floor >= 0.4 else 2) / 10)
    axes.tick_params(length=0, labelsize=6, labelcolor=SOFT, pad=2.5)
    axes.grid(color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color=SOFT, linewidth=0.6)


def _draw(axes, i: int, values: dict[str, np.ndarray], x: str | None, y: str) -> None:
    across = np.arange(len(values[y])) if x is None else values[x]
    at = int(values["f" if x else y].argmax())
    axes.plot(across, values[y], **_line(i))
    axes.plot(across[at], values[y][at], clip_on=False, zorder=4, **_mark(i))


def _line(i: int) -> dict:
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)], "linewidth": 1.25}


def _mark(i: int) -> dict:
    colour = COLOURS[i % len(COLOURS)]
    return {"marker": MARKS[i % len(MARKS)], "markersize": 4.2, "color": colour, "mec": "white", "mew": 0.5}


def _handle(i: int, label: str):
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **_line(i), **{k: v for k, v in _mark(i).items() if k != "color"})


def _by_column(handles: list, columns: int) -> list:
    """In the order in which a legend, that fills its columns one by one, shows them row by row."""
    return [handle for column in range(columns) for handle in handles[column::columns]]


def _floor(best: Sequence[float]) -> float:
    """Where the y axes start: low enough to show the worst method, high enough to tell good ones apart."""
    return max(0.0, np.floor((min(best) - 0.25) * 5) / 5)


def _notes(found: Sequence[Curves], width: float) -> list[str]:
    """The signatures, each with its methods where they differ, in lines that fit."""
    methods: dict[str, list[str]] = {}
    for one in found:
        methods.setdefault(one.signature, []).append(one.title)
    whole = [f"{', '.join(m)}: {s}" if len(methods) > 1 else s for s, m in methods.items()]
    return [line for note in whole for line in textwrap.wrap(escape_control_chars(note), int(width * 24.5))]


def _short(title: str, length: int = 32) -> str:
    return title if len(title) <= length else f"{title[: length // 2]}…{title[1 - length // 2 :]}"
