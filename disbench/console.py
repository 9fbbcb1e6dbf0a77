"""What commands print: progress, tables, results, JSON."""

import json as jsonlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from disbench.errors import printable


@contextmanager
def progress() -> Iterator:
    """A function (done, total, what) that draws a bar with the time left per `what`; nothing when piped."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks = {}

        def progress(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield progress


def show(results, metrics: tuple[str, ...] | None, as_json: bool) -> None:
    if as_json:
        json(
            [
                {
                    "run": str(r.folder),
                    "title": r.title,
                    "dataset": r.dataset,
                    "protocol": r.protocol,
                    "size": r.size,
                    "signature": r.signature,
                    "scores": r.scores(metrics),
                }
                for r in results
            ]
        )
        return
    from disbench.report.terminal import show

    show(results, metrics)


def console():
    """Standard output. A file or another program gets whole lines, however long, unless $COLUMNS says a width."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 10_000)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))  # names from outside are not markup, and steer nothing
    console().print(table)


def json(value) -> None:
    click.echo(jsonlib.dumps(value, indent=1, ensure_ascii=False))
