"""Plots of scores against time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from disbench.reports.plots import Plot
from disbench.reports.table import Table
from disbench.reports.times import RunId, group_by_environment, label_groups, run_id
from disbench.reports.trade_offs import plot_trade_offs
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
        costs = {
            i: (1000 * timed_times[k].total, _format_times(timed_times[k])) for i, k in zip(columns, group, strict=True)
        }
        plots = plot_trade_offs(table, subsets[-1], costs, "Milliseconds per image")
        environments.append(TimePlots(environment, subsets[-1], plots))
    return TimeComparison(environments, unmatched, [table.methods[i] for i in candidates if i not in timed])


def _format_times(times: Times) -> str:
    text = f"{1000 * times.total:,.1f} ms per image"
    if times.rate:
        text += f", {times.rate[0]:,.2f} images/s at batch {times.rate[1]}"
    return f"{text} on {times.device}"
