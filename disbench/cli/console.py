"""Output that several commands share."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from disbench.errors import escape_control_chars
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


def print_next_step(results: Sequence["Result"], step: Sequence[str]) -> None:
    """Print the folders of runs, and a command to go on with.

    Args:
        results: the results that were just made, on one data set. The command gets the runs of the first protocol.
        step: the command and its options. Runs on DIS5K are shown next to the published methods instead.
    """
    runs = {result.folder: result.title for result in results}
    for folder, title in runs.items():
        click.echo(escape_control_chars(f"Run of {title}: {folder}"))
    if results[0].token == "dis5k":
        step = ["report", "--standalone", "--out", "table.tex", "dis5k"]
    named = dict.fromkeys(str(result.folder) for result in results if result.protocol == results[0].protocol)
    click.echo(escape_control_chars(f"Next: {shlex.join(['disbench', *step, *named])}"))
