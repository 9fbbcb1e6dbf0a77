"""Plots of scores against what a method costs, with the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from disbench.metrics.catalogue import METRICS
from disbench.reports.plots import Dot, Plot
from disbench.reports.scales import SIDE, linear_scale, log_scale, place_labels
from disbench.reports.table import Cell, Table

Cost = tuple[float, str]  # along the axis, and in words


def plot_trade_offs(table: Table, split: str, costs: Mapping[int, Cost], x_label: str) -> dict[str, Plot]:
    """Plot the scores on a subset against the costs of the methods, on a logarithmic axis.

    Args:
        table: the scores.
        split: a subset that all methods with costs have.
        costs: column of the table -> what its method costs, above 0.
        x_label: the cost and its unit.

    Returns:
        Key of a metric -> its plot.
    """
    return {
        line.metric: _plot_line(table, line.metric, line.cells, costs, x_label)
        for line in table.lines
        if line.split == split
    }


def _plot_line(
    table: Table, metric_key: str, cells: Sequence[Cell], costs: Mapping[int, Cost], x_label: str
) -> Plot:
    metric = METRICS[metric_key]
    names = [table.methods[i] for i in costs]
    values = [_require_score(cells[i]) for i in costs]
    amounts = [amount for amount, _ in costs.values()]
    intervals = [cells[i].interval for i in costs]
    x_scale = log_scale(amounts)
    y_scale = linear_scale([*values, *(end for interval in intervals for end in interval or ())])
    points = [(x_scale.to_units(x), y_scale.to_units(y)) for x, y in zip(amounts, values, strict=True)]
    dots = []
    for k, (label_y, (i, (_, words))) in enumerate(zip(place_labels(points, names), costs.items(), strict=True)):
        interval = intervals[k]
        dots.append(
            Dot(
                method=i,
                x=points[k][0],
                y=points[k][1],
                title=f"{names[k]}: {_format_score(cells[i], metric_key)}, {words}",
                label=names[k],
                label_y=label_y,
                interval=interval and (y_scale.to_units(interval[0]), y_scale.to_units(interval[1])),
            )
        )
    front = [points[k] for k in pareto_front(amounts, values, higher=metric.direction == "higher")]
    steps = "".join(f"H{x}V{y}" for x, y in front[1:])
    return Plot(
        title=metric_key,
        x_label=x_label,
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


def pareto_front(costs: Sequence[float], values: Sequence[float], *, higher: bool) -> list[int]:
    """Find the methods that no other method beats in one quantity without losing in the other.

    Args:
        costs: cost of each method.
        values: score of each method.
        higher: whether higher scores are better.

    Returns:
        Indices, the cheapest method first.
    """
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -values[i] if higher else values[i]))
    front: list[int] = []
    for i in order:
        if not front or (values[i] > values[front[-1]] if higher else values[i] < values[front[-1]]):
            front.append(i)
    return front
