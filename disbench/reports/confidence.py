"""95 % intervals of the scores in a table, and ties with the best."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from disbench.metrics.catalogue import METRICS
from disbench.reports.ranking import is_ranked
from disbench.reports.table import Table
from disbench.runs.comparable import count_images
from disbench.runs.result import Result
from disbench.runs.training import mark_subset
from disbench.stats.compare import MethodScore, compare_subset
from disbench.stats.resample import MIN_IMAGES


def add_confidence(table: Table, results: Sequence[Result]) -> Table:
    """Return the table with intervals and ties in the cells of results.

    Ties are sought among the columns of one protocol. Subsets with fewer than MIN_IMAGES images get neither intervals
    nor ties.

    Args:
        table: its last columns are those of `results`.
        results: in the order of the columns.
    """
    first_column = len(table.columns) - len(results)
    confidence = {  # (subset, metric, column) -> score, tie
        (split, metric, first_column + i): (score, is_tied)
        for split, metric, i, score, is_tied in _compare_results(table, results)
    }
    lines = []
    for line in table.lines:
        cells = list(line.cells)
        for column, cell in enumerate(cells):
            if (line.split, line.metric, column) in confidence:
                score, is_tied = confidence[line.split, line.metric, column]
                interval = None if score.low is None or score.high is None else (score.low, score.high)
                cells[column] = replace(cell, interval=interval, tied=is_tied)
        lines.append(replace(line, cells=tuple(cells)))
    return replace(table, lines=tuple(lines))


def _compare_results(
    table: Table, results: Sequence[Result]
) -> Iterator[tuple[str, str, int, MethodScore, bool]]:
    """Yield subset, metric, index of the result, its score, and whether it is tied with a better one."""
    metrics = list(dict.fromkeys(line.metric for line in table.lines if line.metric in METRICS))
    for split in dict.fromkeys(line.split for line in table.lines):
        for protocol in dict.fromkeys(result.protocol for result in results):
            scored = [i for i, r in enumerate(results) if r.protocol == protocol and split in r.subsets]
            if not scored or count_images(results[scored[0]], split) < MIN_IMAGES:
                continue
            marks = {i: mark_subset(results[i], split) for i in scored}
            ranked = [i for i in scored if is_ranked(marks[i], rank_all=table.rank_all)]
            # A method that is not ranked has an interval, and is compared with no other.
            for peers in filter(None, (ranked, *([i] for i in scored if i not in ranked))):
                group = [results[i] for i in peers]
                measured = [metric for metric in metrics if all(result.has_metric(metric) for result in group)]
                if not measured:
                    continue
                for line in compare_subset(group, split, measured, differences=False):
                    for i, score in zip(peers, line.scores.values(), strict=True):
                        # The best is tied with itself by definition, which is not worth a mark.
                        yield split, line.metric, i, score, score.tied and not score.best and len(peers) > 1
