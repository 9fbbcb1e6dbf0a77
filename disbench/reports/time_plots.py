"""Plots of scores against time, with the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from disbench.metrics.catalogue import METRICS
from disbench.reports.plots import Dot, Plot
from disbench.reports.scales import SIDE, linear_scale, log_scale, place_labels
from disbench.reports.table import Cell, Table
from disbench.reports.times import RunId, group_by_environment, label_groups, run_id
from disbench.runs.result import Result, common_subsets
from disbench.runs.times import Times


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


def _plot_against_time(table: Table, metric_key: str, cells: Sequence[Cell], times: Mapping[int, Times]) -> Plot:
    """Plot the columns of a line that have times; `times` is by column."""
    metric = METRICS[metric_key]
    names = [table.methods[i] for i in times]
    values = [_require_score(cells[i]) for i in times]
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


def _require_score(cell: Cell) -> float:
    assert cell.value is not None  # the subset of a plot is common to all its methods
    return cell.value


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
