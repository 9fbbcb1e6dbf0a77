"""Output that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from disbench.system.console import print_json

if TYPE_CHECKING:
    from disbench.runs.result import Result


def print_results(results: Sequence[Result], metrics: tuple[str, ...] | None, as_json: bool) -> None:
    """Print the scores of results, as a table or as JSON.

    Args:
        results: complete runs.
        metrics: keys of the metrics to show. None: the default metrics.
        as_json: a list of objects for a program, in place of a table.
    """
    if as_json:
        print_json([_result_to_dict(result, metrics) for result in results])
        return
    from disbench.reports.terminal import print_results_table

    print_results_table(results, metrics)


def _result_to_dict(result: Result, metrics: tuple[str, ...] | None) -> dict[str, object]:
    return {
        "run": str(result.folder),
        "title": result.title,
        "dataset": result.dataset,
        "protocol": result.protocol,
        "size": result.size,
        "signature": result.signature,
        "scores": result.scores(metrics),
    }
