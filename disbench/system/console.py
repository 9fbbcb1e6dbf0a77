"""What commands print: progress, tables, results, JSON."""

import json as jsonlib
import os
import sys

import click

from disbench.errors import escape_control_chars


def make_console():
    """Standard output. A file or another program gets whole lines, however long, unless $COLUMNS says a width."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 10_000)


def print_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(escape_control_chars(cell)) for cell in row))  # names from outside are not markup, and steer nothing
    make_console().print(table)


def print_json(value) -> None:
    click.echo(jsonlib.dumps(value, indent=1, ensure_ascii=False))
