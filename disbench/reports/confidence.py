"""Intervals of the scores in a table, and which of them are tied with the best."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from disbench.metrics.catalogue import METRICS
from disbench.reports.table import Cell, Table
from disbench.runs.comparable import count_images
from disbench.runs.result import Result
from disbench.stats.compare import compare_subset
from disbench.stats.resample import MIN_IMAGES

Place = tuple[str, str, int]  # subset, metric, column


def add_confidence(table: Table, results: Sequence[Result]) -> Table:
    """The same table with `interval` and `tied` in the cells of `results`, which are its last columns, in this order.

    What is tied is so among the columns of one protocol, where there are several. Subsets of fewer than FEWEST images
    get neither.
    """
    found = _found(table, results)
    lines = []
    for line in table.lines:
        places = ((line.split, line.metric, i) for i in range(len(line.cells)))
        cells = tuple(replace(cell, **found.get(at, {})) for at, cell in zip(places, line.cells, strict=True))
        lines.append(replace(line, cells=cells))
    return replace(table, lines=tuple(lines))


def intervals(table: Table) -> dict[Place, tuple[float, float]]:
    """The 95 % intervals in a table, by place."""
    return {at: cell.interval for at, cell in _places(table) if cell.interval}


def tied(table: Table) -> set[Place]:
    """The places of scores that a test does not tell from the best of their line."""
    return {at for at, cell in _places(table) if cell.tied}


def _places(table: Table) -> list[tuple[Place, Cell]]:
    return [((line.split, line.metric, i), cell) for line in table.lines for i, cell in enumerate(line.cells)]


def _found(table: Table, results: Sequence[Result]) -> dict[Place, dict[str, Any]]:
    first = len(table.columns) - len(results)
    metrics = list(dict.fromkeys(line.metric for line in table.lines if line.metric in METRICS))
    found = {}
    for split in dict.fromkeys(line.split for line in table.lines):
        for protocol in dict.fromkeys(result.protocol for result in results):
            like = [i for i, r in enumerate(results) if r.protocol == protocol and split in r.subsets]
            if not like or count_images(results[like[0]], split) < MIN_IMAGES:
                continue
            for line in compare_subset([results[i] for i in like], split, metrics, differences=False):
                for i, score in zip(like, line.scores.values(), strict=True):
                    tied = score.tied and not score.best and len(like) > 1
                    found[split, line.metric, first + i] = {"interval": (score.low, score.high), "tied": tied}
    return found
