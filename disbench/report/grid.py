"""The qualitative grid: image, truth, predictions and the errors of the first, from easy to hard, with an inset."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from disbench.data.images import read_image, read_map, read_truth
from disbench.errors import InputError
from disbench.files import write_whole
from disbench.report.cases import Case, rule, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".pdf", ".png", ".html")
# Apart in every common form of colour blindness, on black and on white (Okabe and Ito, 2008).
FALSE_POSITIVE = (230, 159, 0)
FALSE_NEGATIVE = (86, 180, 233)
FRAME = (213, 94, 0)
ZOOM = 0.16  # side of the zoomed window, relative to the shorter side of the image
DPI = 300
NONE = "no case to show: it needs the data set, and the maps, which `disbench run` and `disbench score --save` keep"
LETTER, LINE = 0.6 * 6.5 / 72, 0.11  # inches: a heading's letters on average, and its lines
INSET = 0.42  # side of the inset, relative to the shorter side of the tile


def write(path: Path, cases: Sequence[Case], how: str = "spread") -> None:
    """The grid as PDF, PNG or a page of its own, as the suffix says; `how` the cases were chosen is written in it."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: grids are written to {', '.join(SUFFIXES)}")
    if suffix == ".html":
        from disbench.report.html import grid_page

        data = grid_page(cases, how).encode()
    else:
        file = io.BytesIO()
        undated = {"CreationDate": None} if suffix == ".pdf" else None  # the same pictures give the same bytes
        grid(cases, how=how).savefig(file, format=suffix[1:], metadata=undated)
        data = file.getvalue()
    try:
        write_whole(path, data)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; choose another place with --out") from None


def tiles(case: Case, width: int) -> dict[str, np.ndarray]:
    """The pictures of one case, in order: uint8 RGB, `width` pixels wide (less for a portrait), all of one shape."""
    image, truth = read_image(case.sample.image), read_truth(case.sample.truth)
    maps = {title: read_map(path) for title, path in case.masks.items()}
    for title, mask in maps.items():
        if mask.shape != truth.shape:
            raise InputError(f"{case.masks[title]}: {mask.shape} where the truth has {truth.shape} (height, width)")
    pictures = {"Image": image, "Ground truth": _rgb(truth)} | {title: _rgb(mask) for title, mask in maps.items()}
    if maps:
        pictures["Errors"] = errors(next(iter(maps.values())), truth)
    window, corner = _inset(truth)
    return {title: _tile(picture, width, window, corner) for title, picture in pictures.items()}


def errors(mask: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """uint8 (h, w, 3): agreement in grey, false foreground in orange, missed in blue, each by its strength."""
    p, t = mask.astype(np.float32)[..., None] / 255, truth.astype(np.float32)[..., None] / 255
    colours = [np.array(c, np.float32) for c in ((205, 205, 205), FALSE_POSITIVE, FALSE_NEGATIVE)]
    mixed = np.minimum(p, t) * colours[0] + np.maximum(p - t, 0) * colours[1] + np.maximum(t - p, 0) * colours[2]
    return np.rint(mixed).astype(np.uint8)


def grid(cases: Sequence[Case], width: float = 7.0, how: str = "spread") -> Figure:
    """The grid as a figure `width` inches wide, for `savefig` to PNG or PDF. InputError where there is no case."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    if not cases:
        raise InputError(NONE)
    titles = list(dict.fromkeys(title for case in cases for title in case.masks))
    columns = ["Image", "Ground truth", *titles, "Errors"]
    gap, left, bottom, under = 0.04, 0.24, 0.3, 0.14  # inches
    side = (width - left - gap * len(columns)) / len(columns)
    heads = [textwrap.wrap(head, max(1, int(side / LETTER))) for head in (*columns[:-1], f"Errors of {titles[0]}")]
    top = 0.22 + LINE * (max(map(len, heads)) - 1)
    rows = [tiles(case, round(side * DPI)) for case in cases]
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
        name = f"{case.sample.split}\n{short(case.sample.name)}"
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
    put(rule(titles[0], how), left, height - 0.19, fontsize=6, ha="left")
    put("Under each prediction: the image's largest F over all thresholds.", left, height - 0.08, fontsize=6, ha="left")
    keys = {"false foreground": FALSE_POSITIVE, "missed foreground": FALSE_NEGATIVE}
    handles = [Patch(facecolor=np.array(c) / 255, label=label) for label, c in keys.items()]
    legend = figure.legend(handles=handles, loc="lower right", ncols=2, fontsize=6, frameon=False, borderaxespad=0.2)
    for text in legend.get_texts():
        text.set_parse_math(False)  # a $ in a name is a $
    return figure


def _rgb(grey: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)


def _inset(truth: np.ndarray) -> tuple[tuple[int, int, int], tuple[int, int]]:
    """The window (top, left, side) with the longest outline in it, and the emptiest corner (0 or 1 each)."""
    h, w = truth.shape
    side = max(1, round(ZOOM * min(h, w)))
    outline = cv2.morphologyEx(truth, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).astype(np.float32)
    density = cv2.blur(outline, (side, side), borderType=cv2.BORDER_CONSTANT)
    half = side // 2
    inner = density[half : h - half, half : w - half]
    top, left = np.unravel_index(inner.argmax(), inner.shape)
    reach = round(INSET * min(h, w))
    busy = (truth > 128).astype(np.float32)
    busy[top : top + side, left : left + side] = h * w  # the inset must not hide what it magnifies
    spans = (slice(0, reach), slice(-reach, None))
    corner = min(((i, j) for i in (0, 1) for j in (0, 1)), key=lambda ij: busy[spans[ij[0]], spans[ij[1]]].sum())
    return (int(top), int(left), side), corner


def _tile(picture: np.ndarray, width: int, window: tuple[int, int, int], corner: tuple[int, int]) -> np.ndarray:
    h, w = picture.shape[:2]
    scale = width / max(w, h)  # a portrait is as high as a column is wide
    size = max(1, round(w * scale)), max(1, round(h * scale))
    tile = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    top, left, side = window
    inset = max(1, round(INSET * min(size)))
    crop = picture[top : top + side, left : left + side]
    crop = cv2.resize(crop, (inset, inset), interpolation=cv2.INTER_AREA if side > inset else cv2.INTER_LINEAR)
    line = max(1, round(width / 250))
    a, b = (round(left * scale), round(top * scale)), (round((left + side) * scale), round((top + side) * scale))
    cv2.rectangle(tile, a, b, FRAME, line)
    y, x = (size[1] - inset) * corner[0], (size[0] - inset) * corner[1]
    tile[y : y + inset, x : x + inset] = crop
    cv2.rectangle(tile, (x, y), (x + inset - 1, y + inset - 1), FRAME, line)
    return tile
