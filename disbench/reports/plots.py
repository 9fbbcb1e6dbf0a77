"""The geometry of the page's plots: curves, score against time with its Pareto front, score against complexity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from disbench.data.complexity import split_equally
from disbench.metrics.catalogue import METRICS
from disbench.metrics.scoring import curves, score
from disbench.reports.curves import PANELS
from disbench.reports.table import Cell, Table
from disbench.reports.times import Key, Times, group_by_environment, label_groups, run_id
from disbench.runs.result import Result, common_subsets

SCALE = 400  # units of a plot's side
BINS = 8  # equal parts of the images by complexity
FEWEST = 4  # images of a part; of fewer, a mean says little
HIGH, WIDE = 19, 10  # units of a label's line and letter


@dataclass(frozen=True)
class Dot:
    """A mark at (x, y) in plot units; `title` says its numbers; `label` stands beside it, at `label_y`, if not "".

    ends: the heights of the score's 95 % interval, if known
    """

    method: int
    x: int
    y: int
    title: str
    label: str = ""
    label_y: int = 0
    ends: tuple[int, int] | None = None


@dataclass(frozen=True)
class Panel:
    """One plot: SVG points of its lines by index of the method, dots, and the Pareto front. Ticks: (place, text)."""

    title: str
    x: str
    y: str
    x_ticks: Sequence[tuple[int, str]]
    y_ticks: Sequence[tuple[int, str]]
    lines: Sequence[tuple[int, str]] = ()
    dots: Sequence[Dot] = ()
    front: str = ""


@dataclass(frozen=True)
class Trade:
    """Score against time in one environment, on one subset: a panel for each metric."""

    environment: str
    split: str
    panels: Mapping[str, Panel]


@dataclass(frozen=True)
class Trades:
    """A plot for each environment in which two were timed, those that have none to stand beside, with theirs, and those
    that were not timed."""

    plots: Sequence[Trade]
    alone: Sequence[str]
    untimed: Sequence[str]


def curve_panels(results: Sequence[Result], split: str) -> list[Panel]:
    """Precision against recall, F and E against the threshold, of the results that have this subset."""
    unit = [(SCALE * k // 5, f"{k / 5:.1f}") for k in range(6)]
    upward = [(SCALE - at, text) for at, text in unit]
    lines: list[list[tuple[int, str]]] = [[] for _ in PANELS]
    for index, result in enumerate(results):
        if split not in result.subsets:
            continue
        values = curves(result.measurements(split), result.protocol)
        values[None] = np.linspace(0, 1, 256)[: len(values["f"])]
        for line, (_, (x, _), (y, _)) in zip(lines, PANELS, strict=True):
            line.append((index, collect_points(values[x], values[y])))
    steps = [(at, str(51 * k)) for k, (at, _) in enumerate(unit)]
    return [
        Panel(title, x[1], y[1], unit if x[0] else steps, upward, line)
        for (title, x, y), line in zip(PANELS, lines, strict=True)
    ]


def collect_points(x: np.ndarray, y: np.ndarray) -> str:
    """Two curves in 0..1 as the points of an SVG polyline, in plot units."""
    pairs = np.stack([np.rint(x * SCALE), np.rint((1 - y) * SCALE)], axis=1).astype(int).tolist()
    return " ".join(f"{a},{b}" for a, b in dict.fromkeys(map(tuple, pairs)))


def collect_trades(table: Table, results: Sequence[Result], times: Mapping[Key, Times]) -> Trades | None:
    """Score against the median seconds of all stages, among the results of one protocol that were timed alike.

    On Overall where all of a plot have it, else on the last subset that they share; None where nothing was timed.
    """
    found = [i for i, result in enumerate(results) if result.protocol == results[0].protocol]
    timed = [i for i in found if run_id(results[i]) in times]
    if not timed or table.by:
        return None
    own = [times[run_id(results[i])] for i in timed]
    groups = group_by_environment([one.record for one in own])
    plots, alone = [], []
    for group, environment in zip(groups, label_groups(own, groups), strict=True):
        kept = [timed[k] for k in group]
        common = common_subsets([results[i] for i in kept])
        if len(kept) < 2 or not common:
            alone += [f"{table.methods[i]} on {environment}" for i in kept]
            continue
        names, costs = [table.methods[i] for i in kept], [own[k] for k in group]
        lines = [line for line in table.lines if line.split == common[-1]]
        panels = {line.metric: _trade(line.metric, names, kept, costs, [line.cells[i] for i in kept]) for line in lines}
        plots.append(Trade(environment, common[-1], panels))
    return Trades(plots, alone, [table.methods[i] for i in found if i not in timed])


def pareto_front(costs: Sequence[float], values: Sequence[float], higher: bool) -> list[int]:
    """The places of those than which no other is both as fast and better, or both as good and faster; fastest first."""
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -values[i] if higher else values[i]))
    best: list[int] = []
    for i in order:
        if not best or (values[i] > values[best[-1]] if higher else values[i] < values[best[-1]]):
            best.append(i)
    return best


def plot_by_complexity(table: Table, results: Sequence[Result], ranks: Mapping[tuple[str, str], float]) -> list[Panel]:
    """The score of each of BINS equal parts of the images, by their complexity: a panel for each metric of the table.

    `ranks`: (subset, image) -> complexity, of every image of the subsets that all results share; else no panel. Small
    sets are cut into fewer parts.
    """
    splits = set.intersection(*({row.split for r in result.rows.values() for row in r} for result in results))
    rows = [
        sorted(
            (row for kept in result.rows.values() for row in kept if row.split in splits),
            key=lambda row: (row.split, row.name),
        )
        for result in results
    ]
    names = [(row.split, row.name) for row in rows[0]]
    bins = min(BINS, len(names) // FEWEST)
    if bins < 2 or not all(name in ranks for name in names):
        return []
    part = split_equally([ranks[name] for name in names], bins)
    groups = [[i for i, other in enumerate(part) if other == k] for k in range(1, bins + 1)]
    middles = [max(1.0, float(np.median([ranks[names[i]] for i in group]))) for group in groups]
    metrics = tuple(dict.fromkeys(line.metric for line in table.lines))
    scores = [
        [score([own[i].measurement for i in group], result.protocol, metrics) for group in groups]
        for result, own in zip(results, rows, strict=True)
    ]
    across, x_ticks = _log_axis(middles)
    panels = []
    for metric in metrics:
        up, y_ticks = _axis([found[metric] for own in scores for found in own])
        lines, dots = [], []
        for index, own in enumerate(scores):
            places = [(across(m), up(found[metric])) for m, found in zip(middles, own, strict=True)]
            lines.append((index, " ".join(f"{x},{y}" for x, y in places)))
            for (x, y), found, group in zip(places, own, groups, strict=True):
                value = f"{found[metric]:.{METRICS[metric].digits}f}"
                low, high = (f(ranks[names[i]] for i in group) for f in (min, max))
                title = f"{table.methods[index]}: {value} on {len(group)} images ({low:,.0f} to {high:,.0f})"
                dots.append(Dot(index, x, y, title))
        panels.append(Panel(metric, "Complexity", "", x_ticks, y_ticks, lines, dots))
    return panels


def _trade(metric: str, names: list[str], indices: list[int], times: list[Times], cells: list[Cell]) -> Panel:
    one, values = METRICS[metric], [cell.value for cell in cells]
    milliseconds = [1000 * time.total for time in times]
    across, x_ticks = _log_axis(milliseconds)
    up, y_ticks = _axis([*values, *(end for cell in cells for end in cell.interval or ())])
    places = [(across(t), up(v)) for t, v in zip(milliseconds, values, strict=True)]
    labels = _apart(places, names)
    dots = []
    for i, (x, y), name, cell, time, at in zip(indices, places, names, cells, times, labels, strict=True):
        interval = cell.interval and " ({:.{d}f} to {:.{d}f})".format(*cell.interval, d=one.digits)
        rate = f", {time.rate[0]:,.2f} images/s at batch {time.rate[1]}" if time.rate else ""
        took = f"{1000 * time.total:,.1f} ms per image{rate} on {time.device}"
        title = f"{name}: {one.symbol} {cell.text}{interval or ''}, {took}"
        dots.append(Dot(i, x, y, title, name, at, cell.interval and tuple(map(up, cell.interval))))
    best = [places[k] for k in pareto_front(milliseconds, values, one.direction == "higher")]
    stairs = "".join(f"H{x}V{y}" for x, y in best[1:])
    return Panel(
        metric,
        "Milliseconds per image",
        "",
        x_ticks,
        y_ticks,
        dots=dots,
        front=f"M{best[0][0]} {best[0][1]}{stairs}H{SCALE}",
    )


def _apart(places: Sequence[tuple[int, int]], names: Sequence[str]) -> list[int]:
    """The height of each label, moved down where it would lie on another."""
    taken: list[tuple[float, float, int]] = []
    heights = [0] * len(places)
    for i in sorted(range(len(places)), key=lambda i: places[i][1]):
        x, y = places[i]
        long = WIDE * len(names[i]) + 12
        left, right = (x - long, x) if x > SCALE / 2 else (x, x + long)
        while any(left < b and a < right and abs(y - other) < HIGH for a, b, other in taken):
            y += 1
        taken.append((left, right, y))
        heights[i] = y
    return heights


def _axis(values: Sequence[float]):
    """A function from value to height in plot units, and the ticks: round steps, with some room around the values."""
    least, most = min(values), max(values)
    room = max(0.08 * (most - least), 0.02 * abs(most), 1e-3)
    low = max(0.0, least - room) if least >= 0 else least - room
    high = min(1.0, most + room) if most <= 1 else most + room  # no measure in 0..1 has ticks beyond
    step = 10 ** math.floor(math.log10(high - low))
    step = next(step * k for k in (0.1, 0.2, 0.5, 1, 2) if (high - low) / (step * k) <= 6)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))

    def up(value: float) -> int:
        return round(SCALE * (high - value) / (high - low))

    ticks = [low + k * step for k in range(round((high - low) / step) + 1)]
    return up, [(up(tick), f"{tick:,.{decimals}f}") for tick in ticks]


def _log_axis(values: Sequence[float]):
    """The same along a logarithmic x axis; ticks at 1, 2 and 5 times powers of ten, at the powers alone if many."""
    floor = 1e-3  # a microsecond, where the values are milliseconds
    values = [max(value, floor) for value in values]
    low, high = math.log10(min(values)), math.log10(max(values))
    room = max(0.08 * (high - low), 0.1)
    low, high = low - room, high + room

    def across(value: float) -> int:
        return round(SCALE * (math.log10(max(value, floor)) - low) / (high - low))

    powers = range(math.floor(low), math.ceil(high) + 1)
    steps = (1, 2, 5) if high - low < 2.2 else (1,)
    ticks = [k * 10.0**p for p in powers for k in steps if low <= math.log10(k * 10.0**p) <= high]
    return across, [(across(tick), _compact(tick)) for tick in ticks]


def _compact(tick: float) -> str:
    """1, 2 or 5 times a power of ten, as in 0.05, 200, 5k, 1M."""
    size, letter = next(pair for pair in ((1e6, "M"), (1e3, "k"), (1, "")) if tick >= pair[0] or pair[0] == 1)
    return f"{tick / size:g}{letter}"
