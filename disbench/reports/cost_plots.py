"""Plots of scores against parameters, operations and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from disbench.reports.plots import Plot
from disbench.reports.table import Table
from disbench.reports.times import RunId, run_id
from disbench.reports.trade_offs import Cost, plot_trade_offs
from disbench.runs.result import Result, common_subsets
from disbench.runs.times import Times, recorded_parameters


@dataclass(frozen=True, kw_only=True)
class CostPlots:
    """Scores against one cost, on one subset.

    Attributes:
        name: the cost, as in "against parameters".
        source: where the numbers come from, in a sentence.
        split: the subset.
        plots: key of a metric -> its plot.
        omitted: methods without a number.
    """

    name: str
    source: str
    split: str
    plots: Mapping[str, Plot]
    omitted: Sequence[str]


@dataclass(frozen=True)
class _Quantity:
    name: str
    unit: str  # as in "4.92 M parameters"
    x_label: str
    size: float  # of the unit
    source: str


PARAMETERS = _Quantity(
    "parameters", "M parameters", "Parameters, millions", 1e6, "Parameters of all networks of a method, as loaded."
)
FLOPS = _Quantity(
    "operations",
    "GFLOPs per image",
    "Operations per image, GFLOPs",
    1e9,
    "Floating-point operations for one image, a multiply-add being two, as counted by disbench time.",
)
MEMORY = {
    "allocated": _Quantity(
        "memory", "MiB", "Peak memory, MiB", 2**20, "Peak memory allocated on the device, as measured by disbench time."
    ),
    "resident": _Quantity(
        "memory",
        "MiB",
        "Peak memory, MiB",
        2**20,
        "Peak memory of the whole process on the CPU, Python and its libraries included, as measured by disbench time.",
    ),
}


def compare_costs(table: Table, results: Sequence[Result], times: Mapping[RunId, Times]) -> list[CostPlots]:
    """Plot scores against each cost that at least two methods have a number of.

    Only results of the first protocol take part, because costs do not depend on the protocol.

    Args:
        table: the scores of `results`.
        results: in the order of the table's columns.
        times: run -> times, with the costs that were measured together with them.

    Returns:
        Plots for each cost; none for groups of images.
    """
    if table.by:
        return []
    candidates = [i for i, result in enumerate(results) if result.protocol == results[0].protocol]
    records = {i: times[run_id(results[i])] for i in candidates if run_id(results[i]) in times}
    timed = {i: record.parameters for i, record in records.items()}
    parameters = {i: timed.get(i) or recorded_parameters(results[i]) for i in candidates}
    amounts = [(PARAMETERS, parameters), (FLOPS, {i: record.flops for i, record in records.items()})]
    amounts += [
        (quantity, {i: record.memory.get(kind, 0) for i, record in records.items()})
        for kind, quantity in MEMORY.items()
    ]
    drawn = [_plot_quantity(table, results, candidates, quantity, values) for quantity, values in amounts]
    return [plots for plots in drawn if plots]


def _plot_quantity(
    table: Table, results: Sequence[Result], candidates: Sequence[int], quantity: _Quantity, values: Mapping[int, int]
) -> CostPlots | None:
    columns = [i for i in candidates if values.get(i)]
    subsets = common_subsets([results[i] for i in columns]) if len(columns) > 1 else []
    if not subsets:
        return None
    costs: dict[int, Cost] = {}
    for i in columns:
        amount = values[i] / quantity.size
        costs[i] = amount, f"{_format_amount(amount)} {quantity.unit}"
    return CostPlots(
        name=quantity.name,
        source=quantity.source,
        split=subsets[-1],
        plots=plot_trade_offs(table, subsets[-1], costs, quantity.x_label),
        omitted=[table.methods[i] for i in candidates if i not in columns],
    )


def _format_amount(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"
