"""The geometry of the page's plots: curves, scores against time, scores against complexity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from disbench.data.complexity import split_equally
from disbench.metrics.catalogue import METRICS
from disbench.metrics.scoring import curves, score
from disbench.reports.cases import ImageKey
from disbench.reports.curve_sets import PANELS
from disbench.reports.scales import SIDE, linear_scale, log_scale, place_labels
from disbench.reports.table import Cell, Table
from disbench.reports.times import RunId, Times, group_by_environment, label_groups, run_id
from disbench.runs.result import Result, common_subsets
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


@dataclass(frozen=True)
class TimePlots:
    """Scores against time in one environment, on one subset.

    Attributes:
        environment: name of the environment.
        split: the subset.
        plots: key of a metric -> its plot.
    """

    environment: str
    split: str
    plots: Mapping[str, Plot]


@dataclass(frozen=True)
class TimeComparison:
    """Scores against time in every environment.

    Attributes:
        environments: environments in which at least two methods were timed.
        unmatched: timed methods, with their environments, that nothing else was timed like.
        untimed: methods without times.
    """

    environments: Sequence[TimePlots]
    unmatched: Sequence[str]
    untimed: Sequence[str]


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


def compare_times(table: Table, results: Sequence[Result], times: Mapping[RunId, Times]) -> TimeComparison | None:
    """Plot scores against the median time of all stages, for each environment.

    Only results of the first protocol take part, because time does not depend on the protocol. A plot shows Overall if
    all its methods have it, otherwise the last common subset.

    Args:
        table: the scores of `results`.
        results: in the order of the table's columns.
        times: run -> times.

    Returns:
        The plots; None if nothing was timed, and for groups of images.
    """
    candidates = [i for i, result in enumerate(results) if result.protocol == results[0].protocol]
    timed = [i for i in candidates if run_id(results[i]) in times]
    if not timed or table.by:
        return None
    timed_times = [times[run_id(results[i])] for i in timed]
    groups = group_by_environment([entry.record for entry in timed_times])
    environments, unmatched = [], []
    for group, environment in zip(groups, label_groups(timed_times, groups), strict=True):
        columns = [timed[k] for k in group]
        subsets = common_subsets([results[i] for i in columns])
        if len(columns) < 2 or not subsets:
            unmatched += [f"{table.methods[i]} on {environment}" for i in columns]
            continue
        group_times = {i: timed_times[k] for i, k in zip(columns, group, strict=True)}
        plots = {
            line.metric: _plot_against_time(table, line.metric, line.cells, group_times)
            for line in table.lines
            if line.split == subsets[-1]
        }
        environments.append(TimePlots(environment, subsets[-1], plots))
    return TimeComparison(environments, unmatched, [table.methods[i] for i in candidates if i not in timed])


def _plot_against_time(
    table: Table, metric_key: str, cells: Sequence[Cell], times: Mapping[int, Times]
) -> Plot:
    """Plot the columns of a line that have times; `times` is by column."""
    metric = METRICS[metric_key]
    names = [table.methods[i] for i in times]
    values = [cells[i].value for i in times]
    milliseconds = [1000 * method_times.total for method_times in times.values()]
    intervals = [cells[i].interval for i in times]
    x_scale = log_scale(milliseconds)
    y_scale = linear_scale([*values, *(end for interval in intervals for end in interval or ())])
    points = [(x_scale.to_units(x), y_scale.to_units(y)) for x, y in zip(milliseconds, values, strict=True)]
    dots = []
    for k, (label_y, (i, method_times)) in enumerate(zip(place_labels(points, names), times.items(), strict=True)):
        interval = intervals[k]
        dots.append(
            Dot(
                method=i,
                x=points[k][0],
                y=points[k][1],
                title=f"{names[k]}: {_format_score(cells[i], metric_key)}, {_format_times(method_times)}",
                label=names[k],
                label_y=label_y,
                interval=interval and (y_scale.to_units(interval[0]), y_scale.to_units(interval[1])),
            )
        )
    front = [points[k] for k in pareto_front(milliseconds, values, higher=metric.direction == "higher")]
    steps = "".join(f"H{x}V{y}" for x, y in front[1:])
    return Plot(
        title=metric_key,
        x_label="Milliseconds per image",
        x_ticks=x_scale.ticks,
        y_ticks=y_scale.ticks,
        dots=dots,
        front=f"M{front[0][0]} {front[0][1]}{steps}H{SIDE}",
    )


def _format_score(cell: Cell, metric_key: str) -> str:
    metric = METRICS[metric_key]
    text = f"{metric.symbol} {cell.text}"
    if cell.interval:
        low, high = cell.interval
        text += f" ({low:.{metric.digits}f} to {high:.{metric.digits}f})"
    return text


def _format_times(times: Times) -> str:
    text = f"{1000 * times.total:,.1f} ms per image"
    if times.rate:
        text += f", {times.rate[0]:,.2f} images/s at batch {times.rate[1]}"
    return f"{text} on {times.device}"


def pareto_front(costs: Sequence[float], values: Sequence[float], *, higher: bool) -> list[int]:
    """Find the methods that no other method beats in one quantity without losing in the other.

    Args:
        costs: time of each method.
        values: score of each method.
        higher: whether higher scores are better.

    Returns:
        Indices, the fastest method first.
    """
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -values[i] if higher else values[i]))
    front: list[int] = []
    for i in order:
        if not front or (values[i] > values[front[-1]] if higher else values[i] < values[front[-1]]):
            front.append(i)
    return front


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
