"""Output that several commands share."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from disbench.system.console import print_json

if TYPE_CHECKING:
    from disbench.runs.result import Result


def print_results(results: Sequence["Result"], metrics: tuple[str, ...] | None, as_json: bool) -> None:
    """Print the scores of results, as a table for people or as JSON for programs."""
    if as_json:
        print_json([result.to_dict(metrics) for result in results])
        return
    from disbench.reports.terminal import print_results_table

    print_results_table(results, metrics)
