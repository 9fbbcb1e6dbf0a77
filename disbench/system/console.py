"""Standard output of commands: tables and JSON."""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from disbench.errors import escape_control_chars

if TYPE_CHECKING:
    from rich.console import Console


def make_console() -> "Console":
    """Make a console on standard output. A file or a pipe gets whole lines, unless $COLUMNS gives a width."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 10_000)


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table. Cells are plain text: names from outside cannot style or steer the terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(escape_control_chars(cell)) for cell in row))
    make_console().print(table)


def print_note(text: str) -> None:
    """Print a line on standard error. Where it cannot be written, the work that it is about counts more."""
    with suppress(OSError):
        click.echo(text, err=True)


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False))
