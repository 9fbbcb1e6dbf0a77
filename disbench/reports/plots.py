"""The geometry of the page's plots: curves, and scores against complexity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from disbench.data.complexity import split_equally
from disbench.metrics.catalogue import METRICS
from disbench.metrics.scoring import curves, score
from disbench.reports.cases import ImageKey
from disbench.reports.curve_sets import PANELS
from disbench.reports.scales import SIDE, linear_scale, log_scale
from disbench.reports.table import Table
from disbench.runs.result import Result
from disbench.runs.row_log import Row

MAX_BINS = 8  # equal parts of the images by complexity
MIN_BIN_SIZE = 4  # images; a mean over fewer says little


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A mark in a plot.

    Attributes:
        method: index of the method.
        x, y: in plot units.
        title: its numbers in words.
        label: text next to it; "" for none.
        label_y: height of the label in plot units.
        interval: heights of both ends of the 95 % interval; None if unknown.
    """

    method: int
    x: int
    y: int
    title: str
    label: str = ""
    label_y: int = 0
    interval: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One plot, as the template draws it in SVG.

    Attributes:
        title: heading, or key of the metric.
        x_label, y_label: texts along the axes.
        x_ticks, y_ticks: (plot units, text) of each tick.
        lines: (index of the method, points of its polyline).
        dots: marks.
        front: path of the Pareto front; "" for none.
    """

    title: str
    x_label: str
    y_label: str = ""
    x_ticks: Sequence[tuple[int, str]]
    y_ticks: Sequence[tuple[int, str]]
    lines: Sequence[tuple[int, str]] = ()
    dots: Sequence[Dot] = ()
    front: str = ""


def plot_curves(results: Sequence[Result], split: str) -> list[Plot]:
    """Plot the panels of disbench.reports.curve_sets for the results that have a subset."""
    fractions = [(SIDE * k // 5, f"{k / 5:.1f}") for k in range(6)]
    thresholds = [(place, str(51 * k)) for k, (place, _) in enumerate(fractions)]
    y_ticks = [(SIDE - place, text) for place, text in fractions]
    lines: list[list[tuple[int, str]]] = [[] for _ in PANELS]
    for index, result in enumerate(results):
        if split not in result.subsets:
            continue
        values = curves(result.measurements(split), result.protocol)
        threshold = np.linspace(0, 1, 256)[: len(values["f"])]
        for panel, panel_lines in zip(PANELS, lines, strict=True):
            x = threshold if panel.x is None else values[panel.x]
            panel_lines.append((index, make_polyline(x, values[panel.y])))
    return [
        Plot(
            title=panel.title,
            x_label=panel.x_label,
            y_label=panel.y_label,
            x_ticks=thresholds if panel.x is None else fractions,
            y_ticks=y_ticks,
            lines=panel_lines,
        )
        for panel, panel_lines in zip(PANELS, lines, strict=True)
    ]


def make_polyline(x: np.ndarray, y: np.ndarray) -> str:
    """Return curves in 0..1 as the points of an SVG polyline in plot units, without repeated points."""
    pairs = np.stack([np.rint(x * SIDE), np.rint((1 - y) * SIDE)], axis=1).astype(int).tolist()
    return " ".join(f"{a},{b}" for a, b in dict.fromkeys(map(tuple, pairs)))


def plot_by_complexity(table: Table, results: Sequence[Result], ranks: Mapping[ImageKey, float]) -> list[Plot]:
    """Plot the scores of equal parts of the images, in ascending order of complexity.

    Small sets are divided into fewer parts.

    Args:
        table: its metrics are plotted.
        results: in the order of the table's columns.
        ranks: (subset, image) -> complexity.

    Returns:
        A plot for each metric; none if there are too few common images, or one of them has no rank.
    """
    rows = _common_rows(results)
    keys = [row.key for row in rows[0]]
    bins = min(MAX_BINS, len(keys) // MIN_BIN_SIZE)
    if bins < 2 or not all(key in ranks for key in keys):
        return []
    image_ranks = [ranks[key] for key in keys]
    bin_of_image = split_equally(image_ranks, bins)
    members = [[i for i, number in enumerate(bin_of_image) if number == k] for k in range(1, bins + 1)]
    medians = [max(1.0, float(np.median([image_ranks[i] for i in images]))) for images in members]
    metrics = tuple(dict.fromkeys(line.metric for line in table.lines))
    scores = [  # method -> bin -> metric -> score
        [score([result_rows[i].measurement for i in images], result.protocol, metrics) for images in members]
        for result, result_rows in zip(results, rows, strict=True)
    ]
    spans = []
    for images in members:
        low, high = min(image_ranks[i] for i in images), max(image_ranks[i] for i in images)
        spans.append(f"{len(images)} images ({low:,.0f} to {high:,.0f})")
    x_scale = log_scale(medians)
    plots = []
    for metric in metrics:
        y_scale = linear_scale([bin_scores[metric] for method_scores in scores for bin_scores in method_scores])
        lines, dots = [], []
        for index, method_scores in enumerate(scores):
            points = []
            for median, bin_scores, span in zip(medians, method_scores, spans, strict=True):
                x, y = x_scale.to_units(median), y_scale.to_units(bin_scores[metric])
                points.append(f"{x},{y}")
                value = f"{bin_scores[metric]:.{METRICS[metric].digits}f}"
                dots.append(Dot(method=index, x=x, y=y, title=f"{table.methods[index]}: {value} on {span}"))
            lines.append((index, " ".join(points)))
        plots.append(
            Plot(
                title=metric,
                x_label="Complexity",
                x_ticks=x_scale.ticks,
                y_ticks=y_scale.ticks,
                lines=lines,
                dots=dots,
            )
        )
    return plots


def _common_rows(results: Sequence[Result]) -> list[list[Row]]:
    """Return the rows of each result on the subsets that all results have, in one order.

    Rows know their subset even if the result is grouped.
    """
    splits_of_results = [{row.split for rows in result.rows.values() for row in rows} for result in results]
    splits = set.intersection(*splits_of_results)
    return [
        sorted(
            (row for rows in result.rows.values() for row in rows if row.split in splits),
            key=lambda row: row.key,
        )
        for result in results
    ]
